"""What pytest must keep book of: which scenario meets which variant, and what came of it."""
