"""The control plane for tests: moves the clock, runs jobs and reads counters."""
