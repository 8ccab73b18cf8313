"""Where somebody who tests the service moves its clock, runs its jobs and reads its counters."""
