"""The group of commands. A command's module is imported only when the command is called."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

import click

from overbooked import __version__

# Name: (module, one line). The lines are here so that `overbooked --help` imports no command.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run", "Judge gaps: start the system, run the scenarios, write a scorecard."),
    "prove": ("prove", "Prove the verdicts: each scenario on the healthy system and on its mutants."),
    "race": ("race", "Explore the races of a gap, or run one order of their statements by hand."),
    "replay": ("replay", "Run exactly the schedule or fault plan of a bundle again."),
    "sweep": ("sweep", "Fail every boundary of a journey in every way, and show the matrix."),
    "list": ("list", "List every known gap with its state."),
    "show": ("show", "Show one gap: its clauses, its mutants and the latest verdict."),
    "blind": ("blind", "Print the clauses of a gap for someone who attacks its scenarios blind."),
    "report": ("report", "Render the reports of a run again."),
    "gate": ("gate", "Say whether a scorecard satisfies the gate policy."),
    "up": ("up", "Keep a stack for work by hand and print its URLs."),
    "doctor": ("doctor", "Say what this machine can run, what is missing and how to get it."),
    "load": ("load", "Put the system under load and judge it."),
    "test": ("test", "Run the harness's own tests."),
}


class LazyGroup(click.Group):
    """A click group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"overbooked.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; reject an unknown one with the nearest names."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name.casefold(), COMMANDS, n=3, cutoff=0.5)
            hint = f"nearest: {', '.join(near)}" if near else f"there are {', '.join(COMMANDS)}"
            ctx.fail(f"no command is called {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 satisfied, 1 a gap is open, 2 bad usage, 3 inconclusive, 4 too few gaps "
    "judged, 130 interrupted. Settings: overbooked.toml, then OVERBOOKED_*, then options.",
)
@click.version_option(__version__, prog_name="overbooked")
def overbooked() -> None:
    """Judge a booking system: every known gap is closed, open or inconclusive, with evidence.

    \b
    overbooked run                  judge every gap there is a scenario for
    overbooked run SYS-03           judge one
    overbooked prove SYS-03         prove that its verdict can be trusted
    """
