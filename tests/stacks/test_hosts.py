"""Faults are allowed only on loopback and on configured hosts."""

import socket

import pytest

from overbooked.errors import ExitCode, HostNotAllowed
from overbooked.stacks.base import allowed_hosts as hosts
from overbooked.stacks.base.allowed_hosts import ensure_allowed, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_needs_no_leave(host: str) -> None:
    ensure_allowed(host)
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "0.0.0.0"])
def test_any_other_address_is_refused_with_the_setting_to_change(host: str) -> None:
    with pytest.raises(HostNotAllowed, match="allow_hosts") as caught:
        ensure_allowed(host, purpose="a burst")
    assert f"a burst is aimed at {host}" in str(caught.value)
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("entry", ["192.0.2.7", "192.0.2.0/24"])
def test_an_allowed_address_or_network_may_be_hurt(entry: str) -> None:
    ensure_allowed("192.0.2.7", [entry])
    with pytest.raises(HostNotAllowed):
        ensure_allowed("192.0.3.7", [entry])


def test_an_allowed_name_may_be_hurt(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_allowed("staging.example", ["staging.example"])


def test_a_name_is_loopback_only_when_all_its_addresses_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", ("127.0.0.1", 0)), (2, 1, 6, "", ("192.0.2.7", 0))]

    monkeypatch.setattr(hosts.socket, "getaddrinfo", resolve)
    with pytest.raises(HostNotAllowed):
        ensure_allowed("two-faced.example")


def test_a_name_that_does_not_resolve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> list[tuple[object, ...]]:
        raise socket.gaierror

    monkeypatch.setattr(hosts.socket, "getaddrinfo", fail)
    with pytest.raises(HostNotAllowed, match="no address"):
        ensure_allowed("nowhere.example", ["not-a-network"])
