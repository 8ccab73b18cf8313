"""Redis at the gate: RESP2 and RESP3 framed, commands matched with their answers, held and failed."""
