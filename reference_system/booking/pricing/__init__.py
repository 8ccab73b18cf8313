"""What a slot costs, and for how long a quoted price is kept."""
