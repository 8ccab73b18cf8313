"""What pytest takes from the top of the tests only."""

pytest_plugins = ["pytester"]
