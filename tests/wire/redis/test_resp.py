"""RESP is framed correctly for any segmentation."""

from __future__ import annotations

import random
import socket
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overbooked.wire.gate.session import ProtocolError
from overbooked.wire.redis.resp import CommandScanner, ValueScanner, split_inline, words
from tests.wire.redis.server import redis_server


def cut(scanner: CommandScanner | ValueScanner, stream: bytes, sizes: list[int]) -> list[object]:
    """What the scanner makes of a stream that comes in pieces of these sizes, over and over."""
    found: list[object] = []
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += scanner.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    return found


VALUES = [
    b"+OK\r\n",
    b"-ERR no such thing\r\n",
    b":-12\r\n",
    b"$5\r\nhe\r\no\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n",
    b"_\r\n",
    b"#t\r\n",
    b",3.25\r\n",
    b"(3492890328409238509324850943850943825024385\r\n",
    b"!21\r\nSYNTAX invalid syntax\r\n",
    b"=15\r\ntxt:Some string\r\n",
    b"%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n+c\r\n~1\r\n:2\r\n",
    b"~2\r\n:1\r\n:2\r\n",
    b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
    b"|1\r\n+ttl\r\n:36\r\n*2\r\n:1\r\n|1\r\n+x\r\n:1\r\n:2\r\n",
    b"|0\r\n%0\r\n",
]


@given(st.lists(st.sampled_from(VALUES)), st.lists(st.integers(1, 40), min_size=1))
def test_values_are_the_same_in_any_pieces(values: list[bytes], sizes: list[int]) -> None:
    assert cut(ValueScanner(), b"".join(values), sizes) == values


ARGS = st.lists(st.binary(max_size=20), min_size=1, max_size=4).map(tuple)


@given(st.lists(ARGS), st.lists(st.integers(1, 40), min_size=1))
def test_commands_are_the_same_in_any_pieces(commands: list[tuple[bytes, ...]], sizes: list[int]) -> None:
    sent = [
        b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)
        for args in commands
    ]
    found = cut(CommandScanner(), b"".join(sent), sizes)
    assert [(each.raw, each.args) for each in found] == list(zip(sent, commands, strict=True))


@pytest.mark.parametrize(
    ("line", "args"),
    [
        (b"PING\r\n", (b"PING",)),
        (b"set a 1\n", (b"set", b"a", b"1")),
        (b"SET \"a b\" 'c d'\r\n", (b"SET", b"a b", b"c d")),
        (b'SET a "x\\"y"\r\n', (b"SET", b"a", b'x"y')),
        (b"\r\n", ()),
        (b"*0\r\n", ()),
        (b"*-1\r\n", ()),
    ],
)
def test_inline_and_empty_commands(line: bytes, args: tuple[bytes, ...]) -> None:
    (command,) = CommandScanner().feed(line)
    assert (command.raw, command.args) == (line, args)


def test_a_large_value_is_one_value() -> None:
    value = b"$1000000\r\n" + b"x" * 1_000_000 + b"\r\n"
    assert cut(ValueScanner(), value + b"+OK\r\n", [65536]) == [value, b"+OK\r\n"]


def test_what_is_not_whole_is_kept() -> None:
    scanner = ValueScanner()
    assert [*scanner.feed(b"+OK\r\n$5\r\nhel")] == [b"+OK\r\n"]
    assert scanner.pending == b"$5\r\nhel"


@pytest.mark.parametrize(
    "stream",
    [
        b"*1\r\n+PING\r\n",
        b"*x\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$9999999999\r\n",
        b"*1\r\n\r\n",
        b'SET "a\r\n',
        b'SET "a"b\r\n',
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"*" + b"1" * 70_000,
        b"x" * 70_000,
    ],
)
def test_what_is_no_command_is_told(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(CommandScanner().feed(stream))


@pytest.mark.parametrize(
    "stream",
    [b"HTTP/1.1 400 Bad Request\r\n", b"$3\r\nabcde\r\n", b"*1_0\r\n", b"$-2\r\n", b"+" + b"x" * 70_000],
)
def test_what_is_no_value_is_told(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(ValueScanner().feed(stream))


def test_the_first_words_of_a_push() -> None:
    assert words(VALUES[17], 2) == [b"message", b"c"]
    assert words(b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", 3) == [b"unsubscribe", b"", b"0"]


@pytest.mark.parametrize(
    ("line", "args"),
    [
        (b"a  'it\\'s'  ", [b"a", b"it's"]),
        (b"SUBSCRIBE one'two three'", [b"SUBSCRIBE", b"onetwo three"]),
        (b'a b"\\x41\\n\\q\\""', [b"a", b'bA\nq"']),
        (b"a '\\n' \"\" ''", [b"a", b"\\n", b"", b""]),
        (b"a b\x0bc \x0b d", [b"a", b"b\x0bc", b"d"]),
        (b"a b\0 c", [b"a", b"b"]),
    ],
)
def test_an_inline_command_is_cut_as_the_server_cuts_it(line: bytes, args: list[bytes]) -> None:
    assert split_inline(line) == args


def test_any_inline_command_is_cut_as_a_real_server_cuts_it(tmp_path: Path) -> None:
    """SUBSCRIBE answers once for each of its arguments, PING once behind them all."""
    chance = random.Random(8)
    pieces = [b"a", b"b", b" ", b" ", b"'", b"'", b'"', b'"', b"\\", b"\\x41", b"\\n", b"\x0b", b"\t"]
    counted: Counter[int] = Counter()
    with redis_server(tmp_path) as address:
        for _ in range(400):
            line = b"SUBSCRIBE c" + b"".join(chance.choices(pieces, k=chance.randint(1, 12)))
            try:
                wanted = split_inline(line)[1:]
            except ProtocolError:
                wanted = []
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(line + b"\r\nPING\r\n")
                scanner, heard = ValueScanner(), list[bytes]()
                while not heard or not (heard[-1].startswith(b"-") or b"pong" in heard[-1]):
                    heard += scanner.feed(connection.recv(4096))
            assert [words(value, 2)[1] for value in heard[:-1]] == wanted, line
            counted[len(wanted)] += 1
    assert counted[0] > 50
    assert counted[2] > 10
