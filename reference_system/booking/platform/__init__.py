"""Infrastructure that every domain of the service uses; it imports no domain."""
