"""The controller's side of a run: plan, options, durations, mutants."""
