"""HTTP/1.1 at the gate: framing without changing bytes; requests can be held and failed."""
