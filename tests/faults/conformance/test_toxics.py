"""Toxics in the API: added, shown, listed, changed, removed."""

from __future__ import annotations

import pytest

from tests.faults.conformance.api import Api

EVERY_KIND: dict[str, dict[str, int]] = {
    "bandwidth": {"rate": 9},
    "latency": {"latency": 9, "jitter": 2},
    "limit_data": {"bytes": 9},
    "noop": {},
    "reset_peer": {"timeout": 9},
    "slicer": {"average_size": 9, "size_variation": 2, "delay": 3},
    "slow_close": {"delay": 9},
    "timeout": {"timeout": 9},
}


@pytest.mark.parametrize("type_", EVERY_KIND)
@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_each_kind_can_be_added_to_each_stream(api: Api, proxied: str, type_: str, stream: str) -> None:
    asked = {"type": type_, "stream": stream, "attributes": EVERY_KIND[type_]}
    answer = api.post("/proxies/p/toxics", asked)
    wanted = {**asked, "name": f"{type_}_{stream}", "toxicity": 1}
    assert (answer.status, answer.json) == (200, wanted)
    assert answer.headers["Content-Type"] == "application/json"
    assert api.get(f"/proxies/p/toxics/{type_}_{stream}").json == wanted
    assert api.get("/proxies/p/toxics").json == [wanted]
    assert api.get("/proxies/p").json["toxics"] == [wanted]


@pytest.mark.parametrize("type_", sorted(set(EVERY_KIND) - {"slicer"}))
def test_attributes_that_are_not_given_are_zero(api: Api, proxied: str, type_: str) -> None:
    answer = api.post("/proxies/p/toxics", {"type": type_})
    assert answer.json["attributes"] == dict.fromkeys(EVERY_KIND[type_], 0)
    assert answer.json["stream"] == "downstream"


def test_a_misspelt_attribute_is_taken_and_does_nothing(api: Api, proxied: str) -> None:
    answer = api.post("/proxies/p/toxics", {"type": "latency", "attributes": {"latencey": 5}})
    assert (answer.status, answer.json["attributes"]) == (200, {"latency": 0, "jitter": 0})


def test_a_stream_in_other_letters_is_kept_as_it_was_written(api: Api, proxied: str) -> None:
    answer = api.post("/proxies/p/toxics", {"type": "latency", "stream": "UPstream"})
    assert (answer.json["stream"], answer.json["name"]) == ("UPstream", "latency_UPstream")


@pytest.mark.parametrize(("given", "kept"), [(0.1, 0.1), (1 / 3, 0.33333334), (0, 0), (5, 5), (-1, -1)])
def test_toxicity_has_single_precision_and_no_bounds(
    api: Api, proxied: str, given: float, kept: float
) -> None:
    answer = api.post("/proxies/p/toxics", {"type": "noop", "toxicity": given})
    assert answer.json["toxicity"] == kept


def test_the_list_has_upstream_before_downstream(api: Api, proxied: str) -> None:
    for name, stream in (("a", "downstream"), ("b", "upstream"), ("c", "downstream"), ("d", "upstream")):
        api.post("/proxies/p/toxics", {"type": "noop", "name": name, "stream": stream})
    assert [one["name"] for one in api.get("/proxies/p/toxics").json] == ["b", "d", "a", "c"]


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_an_update_changes_what_it_gives_and_nothing_else(api: Api, proxied: str, method: str) -> None:
    path = api.toxic("latency", latency=3, jitter=1)
    asked = {"attributes": {"jitter": 2}, "toxicity": 0.5, "name": "q", "type": "noop", "stream": "upstream"}
    answer = api.ask(method, path, asked)
    wanted = {
        "attributes": {"latency": 3, "jitter": 2},
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 0.5,
    }
    assert (answer.status, answer.json) == (200, wanted)
    assert api.get(path).json == wanted


def test_an_update_of_nothing_changes_nothing(api: Api, proxied: str) -> None:
    path = api.toxic("latency", latency=3)
    before = api.get(path).json
    assert api.patch(path, {}).json == before
    assert api.patch(path, {"attributes": None}).json == before


def test_a_removed_toxic_is_gone(api: Api, proxied: str) -> None:
    path = api.toxic("latency", latency=3)
    answer = api.delete(path)
    assert (answer.status, answer.text) == (204, "")
    assert api.get(path).status == 404
    assert api.get("/proxies/p/toxics").json == []


def test_a_name_is_free_again_when_its_toxic_is_gone(api: Api, proxied: str) -> None:
    api.delete(api.toxic("latency", latency=3))
    api.toxic("latency", latency=4)
