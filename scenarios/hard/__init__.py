"""Races that bursts rarely hit, judged by exploration alone; `hard.toml` is their catalog.

`overbooked run --theme hard --config ci/hard.toml` judges them. A module holds one gap: its scenario states
the races (`Race`: who takes part, what must hold) and hands them to the `explore` fixture, so whoever passes
another object with a coroutine method `interleavings(make_race, ...)` gets the same races to do with as he
likes. A race may be made several times at once; each is on things of its own.
"""
