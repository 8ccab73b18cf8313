"""Redis at the gate: parses RESP2 and RESP3 and matches answers with commands, to hold and fail them."""
