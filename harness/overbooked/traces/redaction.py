"""Redacts secrets and personal data in a trace, and numbers ids.

A redacted value is replaced by its kind and a number, counted from 1 by first use (`<e-mail 1>`), so that
equal values get equal placeholders and two runs of one schedule have equal texts. In doubt a value is
redacted, because a bundle documents the order of messages, not their contents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from overbooked.traces.trace import Trace, TraceActor, TraceStep

_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_SENSITIVE = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|otp|totp|pin|api[_-]?key|authorization|cookie|session|jwt|"
    r"signature|credential|e?mail|phone|mobile|address|street|city|zip|postcode|birth\w*|iban|card\w*|cvc|"
    r"cvv|pan|(?:first|last|full|sur|nick|display)?[_-]?name|nick|note|message|body|text|subject|ip"
)

# Redacted wherever it occurs, most specific first; a single pattern, so that nothing is redacted twice.
_ANYWHERE = re.compile(
    "|".join(
        (
            r"(?P<kept><(?:e-mail|secret|id|number|text|hash|redacted) \d+>)",
            r"(?P<secret>"
            r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"  # a JSON web token
            r"|\$(?:argon2\w*|2[aby]|scrypt|pbkdf2[\w-]*|[156])\$[^\s'\",}]+"  # a password hash
            r"|(?<=[Bb]earer )[^\s'\",}]+|(?<=[Bb]asic )[A-Za-z0-9+/=]{6,}"
            r"|\b(?:sk|pk|rk|whsec|tok|pat|ghp)_[A-Za-z0-9_]{8,})",
            r"(?P<email>(?<![\w.+'-])[\w.+'-]++(?:@|%40)[\w-]+(?:\.[\w-]+)+)",
            rf"(?P<id>\b{_UUID}\b|\b[0-9A-HJKMNP-TV-Z]{{26}}\b)",  # a UUID, a ULID
            r"(?P<hash>(?<![\w-])(?:0x|\\x)?(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{16,}(?![\w-]))",
            r"(?P<number>(?<![\w.:-])\+\d[\d ().-]{6,}\d|(?<![\w.:-])(?:\d[ -]?){13,19}(?![\w.:-]))",
            r"(?P<opaque>(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{24,}={0,2}(?![\w-]))",
        )
    )
)
# `"email": "x"`, `email=x`, `email='x'`: the value is redacted regardless of its form.
_NAMED = re.compile(
    rf"(?P<key>[\"']?(?<![A-Za-z])[\w-]*?(?:{_SENSITIVE})[\"']?\s*(?::|=)\s*)"
    r"(?P<value>(?:[Bb]earer|[Bb]asic)\s+\S+|\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\s\"'&,;)}<$]+)",
    re.IGNORECASE,
)
_LITERAL = re.compile(r"(?<![\w])[EeNnUu&]{0,2}'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$", re.DOTALL)
_WORD = re.compile(r"'[a-z][a-z_]{0,30}'")
_PLAIN = re.compile(
    r"-?\d{1,9}(?:\.\d{1,9})?|true|false|t|f|\d{4}-\d\d-\d\d[T ]?[\d:.+Z-]*|<[\w-]+ \d+>|", re.IGNORECASE
)
# Splits a command whose values are already redacted; a placeholder contains a blank.
_ARGUMENT = re.compile(r"(?:[^\s<]|<[\w-]+ \d+>|<)+")
_LONGEST = 4000  # characters of a statement or a value
_NAMES = {"email": "e-mail", "opaque": "secret"}


class Redactor:
    """Redacts the texts of one bundle; placeholder numbers are shared by all of them.

    Args:
        patterns: further regular expressions whose matches are redacted.

    Raises:
        ValueError: a pattern is not a valid regular expression.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._own = []
        for pattern in patterns:
            try:
                self._own.append(re.compile(pattern))
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        self._numbers: dict[str, dict[str, int]] = {}

    def text(self, said: str) -> str:
        """Redact free text: a command, a path, a message."""
        said = _NAMED.sub(self._named, self._without_own(said))
        return _ANYWHERE.sub(self._anywhere, said)

    def statement(self, sql: str) -> str:
        """Redact a statement and its string literals.

        In a statement with parameters, single lower-case words such as `'held'` are kept. In one without
        parameters such a literal may be a personal name, so it is redacted.
        """
        own_words = re.search(r"\$\d", sql) is not None

        def literal(match: re.Match[str]) -> str:
            said = match[0]
            inner = said.strip("'")
            if said == "''" or _PLAIN.fullmatch(inner) or (own_words and _WORD.fullmatch(said)):
                return said
            return f"'{self._numbered(_kind_of(inner), inner)}'"

        # `name=value` is not redacted here, because an unquoted word after `=` is a column.
        return _ANYWHERE.sub(self._anywhere, self._without_own(_LITERAL.sub(literal, sql)))

    def command(self, said: str) -> str:
        """Redact a Redis command; its name, key, numbers and options are kept."""
        words = _ARGUMENT.findall(self.text(said))
        kept = words[:2]
        for word in words[2:]:
            plain = _PLAIN.fullmatch(word) or re.fullmatch(r"[A-Z]{2,12}", word)
            kept.append(word if plain else self._numbered(_kind_of(word), word))
        return " ".join(kept)

    def value(self, said: str | None) -> str | None:
        """Redact a parameter; numbers, booleans and times are kept, ids are numbered."""
        if said is None or _PLAIN.fullmatch(said):
            return said
        return self._numbered(_kind_of(said), said)

    def step(self, step: TraceStep) -> TraceStep:
        """Return a step with its text and values redacted."""
        by_protocol: dict[str, Callable[[str], str]] = {"postgres": self.statement, "redis": self.command}
        return replace(
            step,
            text=by_protocol.get(step.protocol, self.text)(_short(step.text)),
            values=tuple(self.value(value and _short(value)) for value in step.values),
            reply=self.text(step.reply),
        )

    def trace(self, trace: Trace) -> Trace:
        """Return a redacted trace; the short names of actors are kept."""
        return Trace(
            tuple(_public(actor) for actor in trace.actors),
            tuple(self.step(step) for step in trace.steps),
            self.text(trace.disturbed),
            {},
        )

    def lines(self, said: Sequence[str]) -> tuple[str, ...]:
        """Redact several lines of free text."""
        return tuple(map(self.text, said))

    # -- placeholders --------------------------------------------------------------------------

    def _without_own(self, said: str) -> str:
        for pattern in self._own:
            said = pattern.sub(lambda match: self._numbered("redacted", match[0]), said)
        return said

    def _anywhere(self, match: re.Match[str]) -> str:
        if match["kept"]:
            return match[0]
        kind = match.lastgroup or "secret"
        return self._numbered(_NAMES.get(kind, kind), match[0])

    def _named(self, match: re.Match[str]) -> str:
        value = match["value"]
        inner = value.strip("\"'")
        if not inner or inner.startswith("<") or re.fullmatch(r"\?|null|true|false|none", inner, re.I):
            return match[0]
        quote = value[0] if value[0] in "\"'" else ""
        return f"{match['key']}{quote}{self._numbered(_kind_of(inner), inner)}{quote}"

    def _numbered(self, kind: str, said: str) -> str:
        known = self._numbers.setdefault(kind, {})
        return f"<{kind} {known.setdefault(said, len(known) + 1)}>"


def _kind_of(said: str) -> str:
    match = _ANYWHERE.fullmatch(said)
    kind = match.lastgroup if match and not match["kept"] else None
    return _NAMES.get(kind, kind) if kind else "text"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _public(actor: TraceActor) -> TraceActor:
    return replace(actor, name=re.sub(r"[\x00-\x1f]", "", actor.name)[:40])
