"""Redis through the gate."""
