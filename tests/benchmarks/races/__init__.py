"""How well races are found: exploration beside bursts, plain requests, Locust's users and frontrun.

    python -m tests.benchmarks.races [--mutant NAME] [--method NAME] [--trials 20] [--json FILE]

Every mutant of the catalog that breaks a clause to be shown by interleavings is hunted by each method in
equal time, on the races that the scenarios themselves state. docs/benchmarks.md says how to read it.
"""
