"""Populate: many proxies in one call, and the partial result if one fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conformance.api import Api
from tests.faults.upstreams import Client

_TYPE = '[]struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'


def _wanted(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0", **more}


def test_the_proxies_are_made_and_told_in_order(api: Api) -> None:
    answer = api.post("/populate", [_wanted("b"), _wanted("a", enabled=False), _wanted("c", enabled=None)])
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert [(one["name"], one["enabled"]) for one in answer.json["proxies"]] == [
        ("b", True),
        ("a", False),
        ("c", True),
    ]
    assert list(api.get("/proxies").json) == ["a", "b", "c"]


@pytest.mark.parametrize("body", [[], "null"])
def test_nothing_to_make_is_answered_with_null(api: Api, body: Any) -> None:
    answer = api.post("/populate", body)
    assert (answer.status, answer.json) == (201, {"proxies": None})


def test_a_proxy_that_is_as_wanted_stays_with_its_toxics_and_connections(api: Api, proxied: str) -> None:
    api.toxic("latency", latency=1)
    there = api.get("/proxies/p").json
    with Client(proxied) as client:
        client.exchange(b"hello")
        same = {key: there[key] for key in ("name", "upstream", "listen")}
        assert api.post("/populate", [{**same, "enabled": False}]).json["proxies"] == [there]
        client.exchange(b"hello")


def test_a_proxy_that_differs_is_replaced_without_its_toxics(api: Api, proxied: str) -> None:
    api.toxic("latency", latency=1)
    answer = api.post("/populate", [_wanted("p", upstream="127.0.0.1:2")])
    assert answer.json["proxies"][0]["upstream"] == "127.0.0.1:2"
    assert answer.json["proxies"][0]["toxics"] == []


def test_others_are_left_alone(api: Api, proxied: str) -> None:
    api.post("/populate", [_wanted("q")])
    assert set(api.get("/proxies").json) == {"p", "q"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "bad request body: EOF"),
        ({}, f"bad request body: json: cannot unmarshal object into Go value of type {_TYPE}"),
        ("5", f"bad request body: json: cannot unmarshal number into Go value of type {_TYPE}"),
        ([5], f"bad request body: json: cannot unmarshal number into Go value of type {_TYPE[2:]}"),
        ([_wanted("a"), {"upstream": "127.0.0.1:1"}], "missing required field: name at proxy 2"),
        ([_wanted("a"), {"name": "b"}], "missing required field: upstream at proxy 2"),
        (
            [_wanted("a", enabled="k")],
            "bad request body: json: cannot unmarshal string into Go struct field .enabled of type bool",
        ),
    ],
)
def test_a_bad_body_makes_nothing(api: Api, body: Any, why: str) -> None:
    answer = api.post("/populate", body)
    assert (answer.status, answer.error, answer.json["proxies"]) == (400, why, None)
    assert answer.headers["Content-Type"] == "application/json"
    assert api.get("/proxies").json == {}


def test_it_stops_at_an_address_that_cannot_be_had_and_keeps_what_it_made(api: Api) -> None:
    answer = api.post("/populate", [_wanted("a"), _wanted("b", listen="nowhere"), _wanted("c")])
    assert (answer.status, answer.error) == (500, "listen tcp: address nowhere: missing port in address")
    assert [one["name"] for one in answer.json["proxies"]] == ["a"]
    assert list(api.get("/proxies").json) == ["a"]


@pytest.mark.parametrize("path", ["/populate", "/proxies"])
def test_toxics_that_come_with_a_proxy_are_ignored_and_ours_warns(api: Api, path: str) -> None:
    toxic = {"name": "slow", "type": "latency", "attributes": {"latency": 1000}}
    given = _wanted("late", toxics=[toxic])
    answer = api.post(path, [given, _wanted("plain")] if path == "/populate" else given)
    assert answer.status == 201
    assert api.get("/proxies/late").json["toxics"] == []
    if api.kind == "ours":
        assert answer.headers["X-Overbooked-Warning"].startswith("no toxic was added to late: ")
    assert "X-Overbooked-Warning" not in api.post("/populate", [_wanted("q", toxics=[])]).headers


def test_toxics_in_a_config_file_are_warned_of(tmp_path: Path) -> None:
    config = tmp_path / "proxies.json"
    config.write_text(json.dumps([_wanted("late", toxics=[{"type": "latency"}])]))
    command = [
        sys.executable,
        "-m",
        "overbooked.toxiproxy.server",
        "-host",
        "127.0.0.1",
        "-port",
        "0",
        "-config",
    ]
    server = subprocess.Popen([*command, str(config)], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        said = []
        while not (said and said[-1].startswith("listening on")):
            said.append(server.stderr.readline())
            assert said[-1], said
    finally:
        server.terminate()
        server.wait(10)
    assert "no toxic was added to late" in said[0]
