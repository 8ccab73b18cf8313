"""A booking by one autocommit statement is found open by exploration alone, and the order replays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
SYSTEM = REPOSITORY / "tests" / "overlap_system" / "system.toml"


def overbooked(*arguments: str) -> tuple[int, str]:
    program = Path(sys.executable).with_name("overbooked")
    done = subprocess.run(
        [program, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_one_statement_that_checks_and_inserts_is_open_and_replays(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'canary = ""\nreports = "{tmp_path / "out"}"\n[target]\ndescriptor = "{SYSTEM}"\n')
    code, said = overbooked("race", "SYS-03.a", "--config", str(settings), "--seed", "1")
    assert code == 1, said
    (bundle,) = (tmp_path / "out").glob("*/SYS-03.a.json")
    code, said = overbooked("replay", str(bundle), "--config", str(settings), "--times", "5")
    assert code == 1, said
    assert "5 of 5 as recorded" in said
