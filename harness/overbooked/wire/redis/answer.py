"""Creates the reply for a keeper from an answer's bytes: summary, error, size, and whether MULTI is open."""

from __future__ import annotations

from overbooked.wire.gate.boundary import Reply

_KINDS = {"*": "array", "~": "set", "%": "map", ">": "push", "=": "string", "$": "string", "(": "integer"}
_NIL = frozenset({"$-1", "*-1", "_"})


def reply_of(answer: bytes, *, in_multi: bool) -> Reply:
    """Create the reply for these bytes; an empty answer means that replies are switched off."""
    summary, error = ("no reply", "") if not answer else _said(answer)
    return Reply(summary, error, None, in_multi, len(answer))


def _said(answer: bytes) -> tuple[str, str]:
    line = answer[: answer.index(b"\r\n")].decode("utf-8", "backslashreplace")
    kind, rest = line[0], line[1:]
    if kind == "-":
        return rest, rest.partition(" ")[0]
    if kind == "!":
        text = answer.split(b"\r\n", 2)[1].decode("utf-8", "backslashreplace")
        return text, text.partition(" ")[0]
    if line in _NIL:
        return "nil", ""
    if kind == "+":
        return rest, ""
    if kind == ":":
        return f"integer {rest}", ""
    if kind in "*~%>":
        return f"{_KINDS[kind]} of {rest}", ""
    return _KINDS.get(kind, "value"), ""
