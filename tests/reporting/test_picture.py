"""The scorecard as a picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from overbooked.reporting.svg import picture
from overbooked.verdicts.policy import Policy, decide
from tests.reporting.test_console import mixed
from tests.verdicts.samples import CLOSED, scorecard


def test_a_picture_says_what_the_terminal_says() -> None:
    card = mixed()
    drawn = ET.fromstring(picture(card, decide(card, Policy())))
    said = "".join(drawn.itertext()).replace("\xa0", " ")
    assert "never more bookings than capacity" in said
    assert "Gate: blocked, T-1 is open (P0)" in said


def test_a_picture_asks_nobody_for_anything() -> None:
    drawn = picture(scorecard({"T-1.b": CLOSED}))
    assert "url(" not in drawn.replace("url(#", "")
    assert "@font-face" not in drawn


def test_the_same_run_gives_the_same_picture() -> None:
    assert picture(mixed()) == picture(mixed())
