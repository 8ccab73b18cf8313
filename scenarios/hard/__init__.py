"""Races that bursts rarely hit, judged by exploration alone; `hard.toml` is their catalog.

`overbooked run --theme hard --config ci/hard.toml` judges them. A module holds one gap: its scenario hands a
race to the `explorer` fixture, so another object with a coroutine method `explore(race, *args)` receives the
same races. A race may run several times at once; each run uses objects of its own.
"""
