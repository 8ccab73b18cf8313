"""Every error: status, message and shape."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.conformance.api import Api

NO_PROXY = "proxy not found"
NO_TOXIC = "toxic not found"
_BAD = "bad request body: "
_INTO = "json: cannot unmarshal"


def test_an_error_is_plain_text_that_holds_json(api: Api) -> None:
    answer = api.get("/proxies/none")
    assert answer.text == '{"error":"proxy not found","status":404}\n'
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/proxies/none"),
        ("POST", "/proxies/none"),
        ("PATCH", "/proxies/none"),
        ("DELETE", "/proxies/none"),
        ("GET", "/proxies/none/toxics"),
        ("POST", "/proxies/none/toxics"),
        ("GET", "/proxies/none/toxics/t"),
        ("POST", "/proxies/none/toxics/t"),
        ("PATCH", "/proxies/none/toxics/t"),
        ("DELETE", "/proxies/none/toxics/t"),
    ],
)
def test_an_unknown_proxy_is_not_found_whatever_the_body(api: Api, method: str, path: str) -> None:
    answer = api.ask(method, path, "rubbish")
    assert (answer.status, answer.error) == (404, NO_PROXY)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_an_unknown_toxic_is_not_found_whatever_the_body(api: Api, proxied: str, method: str) -> None:
    answer = api.ask(method, "/proxies/p/toxics/none", "rubbish")
    assert (answer.status, answer.error) == (404, NO_TOXIC)


BODIES: list[tuple[str, str]] = [
    ("", "EOF"),
    ("  \n", "EOF"),
    ("{", "unexpected EOF"),
    ('{"name', "unexpected EOF"),
    ('{"name":', "unexpected EOF"),
    ('{"name":"p"', "unexpected EOF"),
    ("x", "invalid character 'x' looking for beginning of value"),
    ('{"name":x}', "invalid character 'x' looking for beginning of value"),
    ('{"name":NaN}', "invalid character 'N' looking for beginning of value"),
    ("{'name':1}", "invalid character '\\'' looking for beginning of object key string"),
    ('{"name":"p",}', "invalid character '}' looking for beginning of object key string"),
    ('{"name" "p"}', "invalid character '\"' after object key"),
    ('{"name":"p" "upstream"}', "invalid character '\"' after object key:value pair"),
    ('{"x":[1 2]}', "invalid character '2' after array element"),
    ('{"x":"\n"}', "invalid character '\\n' in string literal"),
    ('{"x":"\\q"}', "invalid character 'q' in string escape code"),
    ("[" * 20_000, "invalid character '[' exceeded max depth"),
]


@pytest.mark.parametrize(("body", "why"), BODIES)
def test_a_body_that_is_no_json_is_refused_where_it_ends_to_be_some(api: Api, body: str, why: str) -> None:
    answer = api.post("/proxies", body)
    assert (answer.status, answer.error) == (400, _BAD + why)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([], f"{_INTO} array into Go value of type toxiproxy.Proxy"),
        ("5", f"{_INTO} number into Go value of type toxiproxy.Proxy"),
        ('"p"', f"{_INTO} string into Go value of type toxiproxy.Proxy"),
        ({"name": 5}, f"{_INTO} number into Go struct field Proxy.name of type string"),
        ({"name": []}, f"{_INTO} array into Go struct field Proxy.name of type string"),
        ({"upstream": {}}, f"{_INTO} object into Go struct field Proxy.upstream of type string"),
        ({"listen": True}, f"{_INTO} bool into Go struct field Proxy.listen of type string"),
        ({"toxics": 5, "name": True}, f"{_INTO} bool into Go struct field Proxy.name of type string"),
        ({"enabled": "yes"}, f"{_INTO} string into Go struct field Proxy.enabled of type bool"),
        ({"enabled": 1, "name": 5}, f"{_INTO} number into Go struct field Proxy.enabled of type bool"),
    ],
)
def test_a_proxy_of_the_wrong_shape_is_refused(api: Api, body: Any, why: str) -> None:
    answer = api.post("/proxies", body)
    assert (answer.status, answer.error) == (400, _BAD + why)
    assert api.get("/proxies").json == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "name"), ("null", "name"), ({"upstream": "127.0.0.1:1"}, "name"), ({"name": "p"}, "upstream")],
)
def test_a_proxy_without_name_or_upstream_is_refused(api: Api, body: Any, field: str) -> None:
    answer = api.post("/proxies", body)
    assert (answer.status, answer.error) == (400, f"missing required field: {field}")


def test_a_second_proxy_of_a_name_is_refused(api: Api, proxied: str) -> None:
    answer = api.post("/proxies", {"name": "p", "upstream": "127.0.0.1:1", "listen": "rubbish"})
    assert (answer.status, answer.error) == (409, "proxy already exists")


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ("nowhere", "listen tcp: address nowhere: missing port in address"),
        ("127.0.0.1:99999", "listen tcp: address 99999: invalid port"),
        ("1:2:3", "listen tcp: address 1:2:3: too many colons in address"),
        ("[::1", "listen tcp: address [::1: missing ']' in address"),
        ("[::1]", "listen tcp: address [::1]: missing port in address"),
        ("127.0.0.1:nope", "listen tcp: lookup tcp/nope: unknown port"),
        ("192.0.2.1:0", "listen tcp 192.0.2.1:0: bind: cannot assign requested address"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_a_server_error(api: Api, listen: str, why: str) -> None:
    answer = api.post("/proxies", {"name": "p", "upstream": "127.0.0.1:1", "listen": listen})
    assert (answer.status, answer.error) == (500, why)
    assert api.get("/proxies").json == {}


def test_an_address_in_use_is_a_server_error(api: Api, proxied: str) -> None:
    answer = api.post("/proxies", {"name": "q", "upstream": "127.0.0.1:1", "listen": proxied})
    assert (answer.status, answer.error) == (500, f"listen tcp {proxied}: bind: address already in use")


def test_an_unresolvable_host_is_a_server_error(api: Api) -> None:
    answer = api.post("/proxies", {"name": "p", "upstream": "127.0.0.1:1", "listen": "no.such.invalid:1"})
    assert answer.status == 500
    assert "lookup no.such.invalid" in answer.error


def test_an_update_to_an_address_in_use_leaves_it_disabled(api: Api, proxied: str) -> None:
    taken = api.proxy("127.0.0.1:1", "q")
    answer = api.patch("/proxies/p", {"listen": taken})
    assert (answer.status, answer.error) == (500, f"listen tcp {taken}: bind: address already in use")
    assert api.get("/proxies/p").json["enabled"] is False


def test_an_update_to_no_address_changes_nothing(api: Api, proxied: str) -> None:
    answer = api.patch("/proxies/p", {"listen": "nowhere"})
    assert (answer.status, answer.error) == (500, "address nowhere: missing port in address")
    assert (api.get("/proxies/p").json["listen"], api.get("/proxies/p").json["enabled"]) == (proxied, True)


@pytest.mark.parametrize("body", ["", "rubbish", {"enabled": 5}])
def test_an_update_of_the_wrong_shape_changes_nothing(api: Api, proxied: str, body: Any) -> None:
    answer = api.patch("/proxies/p", body)
    assert answer.status == 400
    assert answer.error.startswith(_BAD)
    assert api.get("/proxies/p").json["enabled"] is True


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", f"{_BAD}EOF"),
        ([1], f"{_BAD}{_INTO} array into Go value of type toxics.ToxicWrapper"),
        ({}, "invalid toxic type"),
        ({"type": "nope"}, "invalid toxic type"),
        ({"type": "down"}, "invalid toxic type"),
        ({"type": 7}, f"{_BAD}{_INTO} number into Go struct field ToxicWrapper.type of type string"),
        ({"type": "nope", "stream": "up"}, "stream was invalid, can be either upstream or downstream"),
        (
            {"type": "latency", "toxicity": "all"},
            f"{_BAD}{_INTO} string into Go struct field ToxicWrapper.toxicity of type float32",
        ),
        (
            {"type": "latency", "attributes": 5},
            f"{_BAD}{_INTO} number into Go struct field ToxicWrapper.attributes of type toxics.NoopToxic",
        ),
        (
            {"type": "latency", "attributes": {"latency": "5"}},
            f"{_BAD}{_INTO} string into Go struct field LatencyToxic.attributes.latency of type int64",
        ),
        (
            {"type": "latency", "attributes": {"jitter": 1.5}},
            f"{_BAD}{_INTO} number 1.5 into Go struct field LatencyToxic.attributes.jitter of type int64",
        ),
        (
            {"type": "limit_data", "attributes": {"bytes": 10**20}},
            f"{_BAD}{_INTO} number 1{'0' * 20} into "
            "Go struct field LimitDataToxic.attributes.bytes of type int64",
        ),
        (
            {"type": "slicer", "attributes": {"average_size": 1, "delay": True}},
            f"{_BAD}{_INTO} bool into Go struct field SlicerToxic.attributes.delay of type int",
        ),
        (
            {"type": "bandwidth", "attributes": {"rate": None, "RATE": []}},
            f"{_BAD}{_INTO} array into Go struct field BandwidthToxic.attributes.rate of type int64",
        ),
    ],
)
def test_a_bad_toxic_is_refused(api: Api, proxied: str, body: Any, why: str) -> None:
    answer = api.post("/proxies/p/toxics", body)
    assert (answer.status, answer.error) == (400, why)
    assert api.get("/proxies/p/toxics").json == []


def test_a_second_toxic_of_a_name_is_refused(api: Api, proxied: str) -> None:
    api.toxic("latency", latency=1)
    answer = api.post("/proxies/p/toxics", {"type": "timeout", "name": "latency_downstream"})
    assert (answer.status, answer.error) == (409, "toxic already exists")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("q", "invalid character 'q' looking for beginning of value"),
        ({"toxicity": "v"}, f"{_INTO} string into Go struct field .toxicity of type float32"),
        (
            {"attributes": {"latency": "7"}},
            f"{_INTO} string into Go struct field LatencyToxic.attributes.latency of type int64",
        ),
    ],
)
def test_a_bad_update_of_a_toxic_is_refused(api: Api, proxied: str, body: Any, why: str) -> None:
    path = api.toxic("latency", latency=3)
    answer = api.patch(path, body)
    assert (answer.status, answer.error) == (400, _BAD + why)
    assert api.get(path).json["attributes"] == {"latency": 3, "jitter": 0}
