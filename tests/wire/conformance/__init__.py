"""Third-party test suites, run without the gate and through it."""
