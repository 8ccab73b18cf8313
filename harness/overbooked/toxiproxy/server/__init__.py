"""A server of Toxiproxy's HTTP API, version 2.12, for machines without the original.

It has the same endpoints, toxics, JSON, errors and status codes; `docs/toxiproxy.md` lists the intended
differences. Start it with `python -m overbooked.toxiproxy.server --host 127.0.0.1 --port 8474 --seed 4711`.
To start fast, it imports only the standard library, and uvloop if installed.
"""
