"""Redaction: secrets are removed, and what is needed to read a trace stays."""

from __future__ import annotations

import pytest

from overbooked.traces.redaction import Redactor
from tests.traces.sample_traces import step, trace

UUID = "bbe3eedc-3bf5-4c6e-ad39-4f83c1274b27"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
SECRETS = (
    "ana.o'neil+x@example.com",
    JWT,
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA",
    "$2b$12$abcdefghijklmnopqrstuv",
    "sk_live_51abcDEF",
    "4242 4242 4242 4242",
    "+44 7700 900123",
    "9f86d081884c7d659a2feaa0c55ad015",
    "xZ9-abcdefghijklmnop_1234567",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_taken_out_of_any_text(secret: str) -> None:
    redactor = Redactor()
    for text in (f"before {secret} after", f"POST /x/{secret}", f'{{"a": "{secret}"}}', f"SET k {secret}"):
        assert secret not in redactor.text(text)
        assert secret not in redactor.command(text)


@pytest.mark.parametrize("secret", [*SECRETS, "Zoë Müller", "hunter2", "10 Downing St"])
def test_a_literal_or_a_parameter_holds_no_secret(secret: str) -> None:
    redactor = Redactor()
    quoted = secret.replace("'", "''")
    for sql in (f"INSERT INTO users VALUES ('{quoted}')", f"SELECT 1 FROM users WHERE a = E'{quoted}'"):
        assert secret not in redactor.statement(sql)
        assert quoted not in redactor.statement(sql)
    assert f"$t${secret}$t$" not in redactor.statement(f"SELECT $t${secret}$t$")
    assert secret not in str(redactor.value(secret))


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "p w", "n": 1}',
        "password=p+w&n=1",
        "authorization: Bearer p",
        "Cookie: p",
        "access_token='p'",
        '{"firstName": "p", "last_name": "p"}',
        "GET /reset?token=p",
        "phone: p",
    ],
)
def test_the_value_of_a_telling_name_goes_whatever_it_is(text: str) -> None:
    assert not {"p", "p w", "p+w", '"p"', "'p'"} & set(Redactor().text(text).replace("&", " ").split())


@pytest.mark.parametrize(
    "text",
    [
        "at most 1 told that they have a place",
        "2 were, schedule 5, 1 preemption: lost update",
        "INSERT 0 1",
        "POST /v1/payment_intents",
        "2026-11-21T13:00:00+00:00",
        "price 12345 minor units",
    ],
)
def test_words_numbers_and_times_stay(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, name, email FROM users WHERE token = $1 AND state = 'held'",
        "UPDATE slots SET taken = taken + 1, email = other.email WHERE id = 5",
        "SELECT now() - interval '15'",
        "SAVEPOINT a1",
    ],
)
def test_what_a_statement_is_made_of_stays(sql: str) -> None:
    assert Redactor().statement(sql) == sql


def test_a_word_in_a_statement_without_parameters_may_be_a_name() -> None:
    assert Redactor().statement("SELECT 1 FROM users WHERE nick = 'ana'").endswith("nick = '<text 1>'")


def test_commands_keep_names_keys_numbers_and_options() -> None:
    said = Redactor().command(f"SET lock:slot:{UUID} somebody NX PX 5000")
    assert said == "SET lock:slot:<id 1> <text 1> NX PX 5000"


@pytest.mark.parametrize("value", ["5", "-12.50", "true", "2026-11-21 13:00:00+00", "", None])
def test_plain_values_stay(value: str | None) -> None:
    assert Redactor().value(value) == value


def test_the_same_value_has_the_same_number_everywhere() -> None:
    redactor = Redactor()
    other = UUID.replace("b", "c")
    assert redactor.text(f"{UUID} {other}") == "<id 1> <id 2>"
    assert redactor.value(other) == "<id 2>"
    assert redactor.statement(f"SELECT '{UUID}'") == "SELECT '<id 1>'"


def test_two_runs_of_one_schedule_come_out_equal() -> None:
    def run(one: str, other: str) -> object:
        return Redactor().trace(
            trace(
                step(0, "GET session:?", "redis", text=f"GET session:{one}", values=(one,)),
                step(1, "SELECT 1", text=f"SELECT 1 FROM a WHERE id = '{other}'", values=(other, one)),
            )
        )

    assert run(UUID, UUID.replace("b", "c")) == run(UUID.replace("b", "d"), UUID.replace("b", "e"))


def test_redacting_twice_changes_nothing() -> None:
    redactor = Redactor()
    once = redactor.text(f"mail ana@example.com about {UUID}, password=x")
    assert Redactor().text(once) == once


def test_a_project_may_name_more() -> None:
    assert Redactor([r"room \d+"]).text("in room 12") == "in <redacted 1>"
    with pytest.raises(ValueError, match="is no regular expression"):
        Redactor(["("])


def test_notes_of_a_trace_are_left_behind() -> None:
    drawn = trace(step(0, "BEGIN"), disturbed="mail to ana@example.com", notes={"strays": ["ana"]})
    redacted = Redactor().trace(drawn)
    assert redacted.notes == {}
    assert redacted.disturbed == "mail to <e-mail 1>"
