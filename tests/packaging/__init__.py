"""The installed package, and adding a feature to the project."""
