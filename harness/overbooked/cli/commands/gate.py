"""`overbooked gate`: check a scorecard against the gate policy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from overbooked.cli.display import stderr_console
from overbooked.cli.options import config_option, policy_of, resolve_settings
from overbooked.reporting.console import closing
from overbooked.reporting.run_folder import find_scorecard, load_scorecard
from overbooked.verdicts.policy import decide


@click.command(
    epilog="Exit codes: 0 satisfied, 1 a gating gap is open, 2 bad usage, 3 a gating gap is inconclusive, "
    "the canary did not open or the run was aborted, 4 fewer gaps judged than required."
)
@click.argument("scorecard", type=click.Path(path_type=Path))
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The policy file; default: the one in the settings.",
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON on stdout.")
def command(*, scorecard: Path, policy: Path | None, config: Path | None, as_json: bool) -> int:
    """Check a scorecard against the gate policy.

    SCORECARD is a scorecard.json, a run's folder, its id, or `latest`.

    \b
    overbooked gate latest
    overbooked gate reports/out/3f9c/scorecard.json --policy ci/policy.toml
    """
    settings = resolve_settings(config, policy=policy.absolute() if policy else None).settings
    rules = policy_of(settings)
    rules.check(settings.catalog())
    card = load_scorecard(find_scorecard(scorecard, settings.reports))
    decision = decide(card, rules, catalog=settings.catalog(), whole=True)
    stderr_console().print(closing(card, decision), highlight=False, markup=False)
    if as_json:
        json.dump(
            {
                "satisfied": decision.satisfied,
                "exit_code": int(decision.exit_code),
                "sentence": decision.sentence,
                "stopping": list(decision.stopping),
                "waived": list(decision.waived),
            },
            sys.stdout,
            indent=1,
        )
        sys.stdout.write("\n")
    return decision.exit_code
