"""What the service could not do by itself, kept where a person sees it."""
