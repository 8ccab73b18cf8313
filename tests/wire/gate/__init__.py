"""The gate of whole stacks and links."""
