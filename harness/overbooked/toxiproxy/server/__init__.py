"""Toxiproxy's HTTP API, version 2.12, served by ourselves where there is no real server.

Same endpoints, toxics, JSON, errors and status codes; `docs/toxiproxy.md` lists where it differs on
purpose. Start it with `python -m overbooked.toxiproxy.server --host 127.0.0.1 --port 8474 --seed 4711`.
Nothing here but the standard library (and uvloop when it is there): a stack waits for its start.
"""
