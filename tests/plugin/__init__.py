"""The worker's side of a run: items, trials, verdicts, stacks."""
