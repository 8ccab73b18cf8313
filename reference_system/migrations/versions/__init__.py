"""One module for each revision, named after its domain."""
