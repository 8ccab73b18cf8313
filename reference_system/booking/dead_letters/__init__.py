"""Dead letters: work that the service could not complete, kept for a person."""
