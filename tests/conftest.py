"""What pytest takes from the top of the tests only."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# No test is judged by its time: on a busy machine an example takes as long as it takes.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
