"""Renders lanes as an HTML page: the finding, the order of the steps, and the command that replays it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from overbooked.traces.layout import names_of, short_name
from overbooked.traces.svg import COLOURS, lanes_svg
from overbooked.traces.trace import Trace, TraceStep

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: #1f2328;
  background: #f6f8fa; margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 32px 0 8px; }
.verdict { display: inline-block; background: #b3261e; color: #fff; font-weight: 700; font-size: 13px;
  letter-spacing: .06em; padding: 2px 10px; border-radius: 4px; }
.verdict.closed { background: #2d7d32; }
.where { color: #57606a; margin: 0 0 20px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
dt { color: #57606a; }
dd { margin: 0; }
.card { background: #fff; border: 1px solid #d0d7de; border-radius: 8px; padding: 16px 18px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; vertical-align: top; padding: 5px 10px; border-bottom: 1px solid #eaeef2; }
th { color: #57606a; font-weight: 600; }
td.n { color: #6e7781; text-align: right; }
td.who { font-weight: 600; white-space: nowrap; }
code, pre { font: 12.5px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
td code { white-space: pre-wrap; overflow-wrap: anywhere; }
pre { background: #1f2328; color: #f6f8fa; border-radius: 6px; padding: 12px 14px; overflow-x: auto; }
.mark { color: #b3261e; } .wait { color: #8a5200; } .note { color: #57606a; font-size: 14px; }
"""


@dataclass(frozen=True, slots=True)
class Headline:
    """The head of the page, above the lanes.

    Args:
        title: the finding in one sentence.
        verdict: `open` or `closed`.
        where: gap, clause and system.
        facts: label and text, in order.
        command: the command that replays the finding.
    """

    title: str
    verdict: str
    where: str = ""
    facts: Sequence[tuple[str, str]] = ()
    command: str = ""


def lanes_html(trace: Trace, headline: Headline) -> str:
    """Return a self-contained page, without scripts and external resources.

    Args:
        trace: the trace, redacted as in a bundle.
        headline: the head of the page.
    """
    return "\n".join(_page(trace, headline)) + "\n"


def _page(trace: Trace, headline: Headline) -> Iterator[str]:
    title = escape(headline.title)
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
    shade = "verdict closed" if headline.verdict.lower() == "closed" else "verdict"
    yield f'<p><span class="{shade}">{escape(headline.verdict.upper())}</span></p>'
    yield f'<h1>{title}</h1><p class="where">{escape(headline.where)}</p>'
    if headline.facts:
        yield '<div class="card"><dl>'
        for label, said in headline.facts:
            yield f"<dt>{escape(label)}</dt><dd>{escape(said)}</dd>"
        yield "</dl></div>"
    yield "<h2>What happened, time from left to right</h2>"
    yield f'<div class="card scroll">{lanes_svg(trace, title=headline.title)}</div>'
    yield f'<p class="note">{escape(_reading(trace))}</p>'
    if headline.command:
        yield f"<h2>See it again</h2><pre>{escape(headline.command)}</pre>"
    yield "<h2>Every message, in order</h2>"
    yield '<div class="card scroll"><table><thead><tr><th></th><th>who</th><th>where</th><th>what</th>'
    yield "<th>answer</th><th></th></tr></thead><tbody>"
    for number, step in enumerate(trace.steps, 1):
        yield _step(trace, number, step)
    yield "</tbody></table></div></main></body></html>"


def _reading(trace: Trace) -> str:
    said = ["Each row is one participant; each box one message of the service's, in the order it was let go."]
    if trace.preemptions:
        said.append("A red arrow: a preemption; this actor was stopped although it could continue.")
    if any(step.blocked_until is not None for step in trace.steps):
        said.append("An amber bar: the actor waits for a lock that another holds.")
    if any(step.parked for step in trace.steps):
        said.append("~: it then sent nothing until others had gone on.")
    if any(step.error for step in trace.steps):
        said.append("Red with !: the message was answered with this error.")
    return " ".join(said)


def _step(trace: Trace, number: int, step: TraceStep) -> str:
    name = names_of(trace)[step.actor]
    colour = COLOURS[step.actor % len(COLOURS)]
    text = step.text or step.shape or short_name(step)
    values = ", ".join("NULL" if value is None else value for value in step.values)
    with_values = f'<br><span class="note">{escape(values)}</span>' if any(step.values) else ""
    answer = f'<span class="mark">{escape(step.error)}</span>' if step.error else escape(step.reply)
    return (
        f'<tr><td class="n">{number}</td><td class="who" style="color:{colour}">{escape(name)}</td>'
        f"<td>{escape(step.link)} #{step.connection}</td><td><code>{escape(text)}</code>{with_values}</td>"
        f"<td>{answer}</td><td>{''.join(_notes(trace, step))}</td></tr>"
    )


def _notes(trace: Trace, step: TraceStep) -> Iterator[str]:
    if step.preempted:
        yield '<span class="mark">preemption: this one could continue</span> '
    if step.blocked_by:
        names = ", ".join(names_of(trace)[actor] for actor in step.blocked_by)
        until = f" until step {step.blocked_until}" if step.blocked_until is not None else ""
        yield f'<span class="wait">waits for {escape(names)}{until}</span> '
    if step.parked:
        yield '<span class="wait">then no progress until others had gone on</span>'
