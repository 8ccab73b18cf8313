"""HTTP/1.1 at the gate: messages framed with their bytes untouched, requests held and failed."""
