"""Compares methods of finding races: exploration, bursts, plain requests, Locust's users and frontrun.

    python -m tests.benchmarks.races [--mutant NAME] [--method NAME] [--trials 20] [--json FILE]

Each method tries, in equal time, to detect every mutant of the catalog that breaks a clause judged by
interleavings, with the races of the scenarios. docs/benchmarks.md explains the results.
"""
