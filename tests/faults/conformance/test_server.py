"""The server's own information, and unknown paths."""

from __future__ import annotations

import pytest

from tests.faults.conformance.api import Api


def test_version_is_2_12_0(api: Api) -> None:
    answer = api.get("/version")
    assert (answer.status, answer.json) == (200, {"version": "2.12.0"})
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"


def test_each_answer_has_a_request_id(api: Api) -> None:
    seen = {api.get("/version").headers["X-Toxiproxy-Request-Id"] for _ in range(3)}
    assert {len(one) for one in seen} == {20}
    assert len(seen) == 3


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/proxies/", "/proxies/p/", "/proxies/p/nope", "/version/x", "/metrics"]
)
def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.text) == (404, "404 page not found\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/proxies"),
        ("PATCH", "/proxies"),
        ("DELETE", "/proxies"),
        ("HEAD", "/proxies"),
        ("GET", "/reset"),
        ("GET", "/populate"),
        ("POST", "/version"),
        ("PUT", "/proxies/p"),
        ("DELETE", "/proxies/p/toxics"),
        ("PUT", "/proxies/p/toxics/t"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_not_allowed(api: Api, method: str, path: str) -> None:
    answer = api.ask(method, path)
    assert (answer.status, answer.text) == (405, "")


def test_a_path_with_a_double_slash_is_redirected(api: Api) -> None:
    answer = api.ask("GET", f"{api.url}//proxies")
    assert (answer.status, answer.headers["Location"]) == (301, "/proxies")


def test_a_browser_is_forbidden(api: Api) -> None:
    answer = api.ask("GET", "/version", **{"User-Agent": "Mozilla/5.0"})
    assert (answer.status, answer.text) == (403, "User agent not allowed\n")


def test_a_chunked_body_is_read(api: Api) -> None:
    import httpx

    parts = iter([b'{"name":"p","ups', b'tream":"127.0.0.1:1","listen":"127.0.0.1:0"}'])
    response = httpx.post(f"{api.url}/proxies", content=parts, trust_env=False)
    assert response.status_code == 201


def test_a_client_that_wants_it_gets_its_connection_closed(api: Api) -> None:
    answer = api.ask("GET", "/version", Connection="close")
    assert answer.headers["Connection"] == "close"
