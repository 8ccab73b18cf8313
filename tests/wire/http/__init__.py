"""HTTP through the gate."""
