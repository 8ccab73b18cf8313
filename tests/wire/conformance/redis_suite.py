"""redis-py's own test suite without the gate and through it: exactly the same tests must pass.

    python -m tests.wire.conformance.redis_suite [--runs 3] [--protocol 2] [--only EXPRESSION]

The suite comes from redis-py's source distribution of the installed version (by pip, or `--sdist`); what it
needs beyond this project is installed into the folder that it runs in. It runs `--runs` times without the
gate, so that tests whose outcome varies on their own are named, then through the gate: once observing, once
holding and releasing every command at once, once 3 ms late. A test that differs is run alone, `--again`
times without the gate and as often through it. Exits with 1 when any other test differs.
Tests of a cluster, sentinels, Redis' modules, TLS and cloud logins are left out: there is none here; so are
files whose every connection is a mock or goes to a server of their own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.link import RelayLink
from overbooked.wire.relay import Relays
from tests.wire.conformance.led import LATE_S, PassAll
from tests.wire.redis.server import redis_server

RUN_TIMEOUT_S = 1800
MODES = ("observe", "hold", "late")
LEFT_OUT = "not onlycluster and not redismod and not ssl and not cp_integration and not multidb_integration"
NO_SERVER = (
    "maint_notifications",
    "test_asyncio/test_cluster.py",
    "test_asyncio/test_cwe_404.py",
    "test_asyncio/test_multidb",
    "test_asyncio/test_observability",
    "test_asyncio/test_sentinel.py",
    "test_asyncio/test_sentinel_managed_connection.py",
    "test_cluster.py",
    "test_cluster_transaction.py",
    "test_multidb",
    "test_observability",
    "test_scenario",
    "test_sentinel.py",
    "test_sentinel_managed_connection.py",
)
NEEDS = ("pybreaker", "numpy", "xxhash", "aiohttp", "PyJWT", "redis-entraid", "opentelemetry-sdk")
# pytest's own configuration of the suite, without its marks that need plugins.
_CONFIG = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
timeout = 30
filterwarnings = ignore
"""
Outcomes = dict[str, str]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def source(place: Path, given: Path | None) -> Path:
    """The folder that has the suite's `tests`, apart from the sources that it comes with."""
    version = metadata.version("redis")
    if given is None:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "redis"]
        command += ["--no-build-isolation", "-d", str(place), f"redis=={version}"]
        subprocess.run(command, check=True, timeout=300)
        given = next(place.glob("redis-*.tar.gz"))
    needs = place / "needs"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-warn-conflicts", "--target", str(needs)]
    subprocess.run([*command, *NEEDS], check=True, timeout=600)
    for brought in (*needs.glob("redis"), *needs.glob("redis-[0-9]*")):
        shutil.rmtree(brought)  # the installed one is tested
    with tarfile.open(given) as archive:
        archive.extractall(place / "sdist", filter="data")
    suite = place / "suite"
    suite.mkdir()
    shutil.copytree(next((place / "sdist").glob("redis-*")) / "tests", suite / "tests")
    (suite / "pytest.ini").write_text(_CONFIG)
    return suite


def led(
    relays: Relays, mode: str, server: tuple[str, int]
) -> tuple[tuple[str, int], RelayLink | None, PassAll]:
    """Where the suite connects in this mode."""
    keeper = PassAll(LATE_S if mode == "late" else 0.0)
    if mode == "none":
        return server, None, keeper
    link = relays.open("app->redis", upstream=server, protocol=WireProtocol.REDIS)
    if mode in {"hold", "late"}:
        link.gate(keeper)
    return link.address, link, keeper


def run(suite: Path, mode: str, protocol: str, only: str | None) -> Outcomes:
    """Run the suite in one mode on a new server: outcome by test."""
    result = suite.parent / f"{mode}-{protocol}.xml"
    result.unlink(missing_ok=True)
    relays = Relays()
    folder = Path(tempfile.mkdtemp(dir=suite.parent))
    try:
        with redis_server(folder) as server, result.with_suffix(".log").open("wb") as log:
            address, link, keeper = led(relays, mode, server)
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-c",
                "pytest.ini",
                "--rootdir",
                str(suite),
                "tests",
            ]
            command += ["-p", "no:overbooked", "-p", "no:cacheprovider", "-p", "no:randomly", "-m", LEFT_OUT]
            command += [f"--ignore=tests/{path}" for path in NO_SERVER]
            command += [f"--junitxml={result}", "--tb=short"]
            command += [f"--redis-url=redis://127.0.0.1:{address[1]}/0", f"--protocol={protocol}"]
            command += ["-k", only] if only else []
            environment = {**os.environ, "PYTHONPATH": str(suite.parent / "needs")}
            subprocess.run(
                command,
                cwd=suite,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=RUN_TIMEOUT_S,
                check=False,
            )
            if link is not None:
                seen = link.traffic()
                say(
                    f"  {seen.connections} connections, {seen.messages} reads, {keeper.held} commands held, "
                    f"{len(link.troubles())} not followed"
                )
                for trouble in link.troubles():
                    say(f"  not followed: {trouble}")
    finally:
        relays.close()
    outcomes: Outcomes = {}
    for case in ElementTree.parse(result).iter("testcase"):
        ended = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        outcomes[f"{case.get('classname')}.{case.get('name')}"] = ended[0] if ended else "passed"
    return outcomes


def counted(outcomes: Outcomes) -> str:
    kinds = ("passed", "skipped", "failure", "error")
    return ", ".join(f"{sum(one == kind for one in outcomes.values())} {kind}" for kind in kinds)


def alone(suite: Path, name: str, mode: str, protocol: str, times: int) -> list[str]:
    """How one test ends when it is run by itself."""
    called = name.rpartition(".")[2].partition("[")[0]
    return [run(suite, mode, protocol, called).get(name, "not run") for _ in range(times)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs without the gate")
    parser.add_argument("--protocol", default="3", choices=["2", "3"], help="RESP")
    parser.add_argument("--only", help="pytest's -k")
    parser.add_argument("--sdist", type=Path, help="redis-py's source distribution, when pip cannot fetch it")
    parser.add_argument("--keep", type=Path, help="folder to work in and leave behind")
    parser.add_argument("--modes", default=",".join(MODES), help="through the gate, by commas")
    parser.add_argument("--again", type=int, default=3, help="runs of a test that differs, alone")
    asked = parser.parse_args()
    place = asked.keep or Path(tempfile.mkdtemp(prefix="overbooked-conformance-"))
    place.mkdir(exist_ok=True)
    try:
        suite = place / "suite" if (place / "suite").is_dir() else source(place, asked.sdist)
        say(f"redis-py {metadata.version('redis')}, RESP{asked.protocol}, Python {sys.version.split()[0]}")
        without: list[Outcomes] = []
        for number in range(asked.runs):
            without.append(run(suite, "none", asked.protocol, asked.only))
            say(f"without the gate, run {number + 1}: {counted(without[-1])}")
        flaky = {name for one in without for name in one if len({each.get(name) for each in without}) > 1}
        for name in sorted(flaky):
            say(f"  varies on its own: {name}: {[each.get(name) for each in without]}")
        differing = 0
        for mode in asked.modes.split(","):
            outcomes = run(suite, mode, asked.protocol, asked.only)
            say(f"through the gate, {mode}: {counted(outcomes)}")
            for name in sorted((outcomes.keys() | without[0].keys()) - flaky):
                if outcomes.get(name) == without[0].get(name):
                    continue
                plain = alone(suite, name, "none", asked.protocol, asked.again)
                gated = alone(suite, name, mode, asked.protocol, asked.again)
                same = set(plain) == set(gated)
                say(
                    f"  {'the same alone' if same else 'DIFFERS'}: {name}: {without[0].get(name)} without, "
                    f"{outcomes.get(name)} through; alone {plain} without, {gated} through"
                )
                differing += not same
        say(f"{differing} tests differ" if differing else "the same tests pass, the same are skipped")
        return 1 if differing else 0
    finally:
        if asked.keep is None:
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
