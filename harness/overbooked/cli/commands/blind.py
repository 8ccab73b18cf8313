"""`overbooked blind`: what the author of a blind mutant may read about a gap, and nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from overbooked.catalog import Gap
from overbooked.cli.display import stdout_console
from overbooked.cli.options import config_option, resolve_settings

MUTANTS_OF_A_ROUND = 8

RULES = (
    "Read the clauses, the source of the system and nothing of the scenarios, their oracles or their tests.",
    "Write {n} mutants: realistic mistakes that pass a code review, one each. The happy path works. The "
    "mechanism differs from the mutants above and from one another.",
    "Read each clause literally. Each, every, any and each item of a list is a place where a mistake can "
    "hide; aim at the words that a lazy tester would skip.",
    "Show that each is real: send requests to it directly, and the same requests to the healthy system.",
    "Run them. Keep every one, and record the round: how many were killed, which survived, and why.",
)


@click.command(
    epilog="docs/blind-rounds.md explains how the rounds widen a scenario. Scenarios and verdicts are not "
    "shown here on purpose; `overbooked show GAP` shows them."
)
@click.argument("name", metavar="GAP")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the brief as JSON.")
def command(*, name: str, config: Path | None, as_json: bool) -> None:
    """Print the clauses of a gap for someone who attacks its scenarios blind.

    The author of a blind mutant has read only the clauses, so what such a mutant survives, the scenario's
    own author has not thought of.

    \b
    overbooked blind SYS-03
    overbooked blind SYS-03 --json
    """
    gap = resolve_settings(config).settings.catalog().gap_of(name)
    if as_json:
        json.dump(brief_json(gap), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        stdout_console().print(brief(gap), highlight=False, markup=False)


def next_number(gap: Gap) -> int:
    """Return the first number after those of the gap's mutants."""
    return max((mutant.number for mutant in gap.mutants), default=0) + 1


def row_of(gap: Gap) -> str:
    """Return an example of the catalog's row for a blind mutant of the gap."""
    letter = gap.clauses[0].letter
    return f'{{ id = {next_number(gap)}, origin = "blind", breaks = ["{letter}"], text = "..." }}'


def commands_of(gap: Gap) -> dict[str, str]:
    """Return the commands that an attacker needs, by purpose."""
    mutant = f"{gap.id}.{next_number(gap)}"
    return {
        "query it by hand": f"overbooked up --mutant {mutant}",
        "query the healthy system": "overbooked up",
        "run it": f"overbooked prove {gap.id} --mutant {mutant} --narrow",
    }


def brief_json(gap: Gap) -> dict[str, object]:
    """Return the brief as JSON: clauses, texts of the mutants, the next number, rules and commands."""
    return {
        "id": gap.id,
        "title": gap.title,
        "clauses": [
            {"id": clause.name, "by": list(clause.by), "text": clause.text} for clause in gap.clauses
        ],
        "mutants": [{"id": mutant.name, "text": mutant.text} for mutant in gap.mutants],
        "next": next_number(gap),
        "row": row_of(gap),
        "rules": _rules(),
        "commands": commands_of(gap),
    }


def brief(gap: Gap) -> RenderableType:
    """Return the brief as text for a terminal."""
    parts: list[RenderableType] = [
        Text(f"{gap.id}  {gap.title}", style="bold"),
        Text("clauses", style="bold"),
    ]
    for clause in gap.clauses:
        parts.append(_indented(f"{clause.letter}  {clause.text}"))
        parts.append(_indented(f"   by {', '.join(clause.by)}", style="dim"))
    parts.append(Text("mutants there are, whose mechanism yours may not repeat", style="bold"))
    parts += [_indented(f"{mutant.name}  {mutant.text}") for mutant in gap.mutants]
    parts.append(Text("how to attack", style="bold"))
    parts += [_indented(f"{number}. {rule}") for number, rule in enumerate(_rules(), 1)]
    parts.append(Text("its row in the catalog, under open_when", style="bold"))
    parts.append(_indented(row_of(gap)))
    parts.append(Text("commands", style="bold"))
    parts += [_indented(f"{purpose}: {line}") for purpose, line in commands_of(gap).items()]
    return Group(*parts)


def _rules() -> list[str]:
    return [rule.format(n=MUTANTS_OF_A_ROUND) for rule in RULES]


def _indented(text: str, style: str = "") -> RenderableType:
    return Padding(Text(text, style=style), (0, 0, 0, 2))
