"""The old name of the payment provider is accepted where users write it; stderr says the new one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from overbooked import part_names
from overbooked.bundles.reader import parse_bundle
from overbooked.config import Settings
from overbooked.descriptor import fill, load
from overbooked.fault_points.evidence import recorded_plan
from overbooked.fault_points.points import FaultPlan, FaultPoint
from overbooked.part_names import PartsByName, accept_name, current_name
from overbooked.recording import Recording
from overbooked.traces.recorded import recorded_schedule
from overbooked.wire.gate.boundary import FaultKind
from tests.bundles.test_schema import bundle
from tests.traces.sample_traces import step, trace

OLD, NEW = "app->provider", "app->payments"

DESCRIPTOR = """
name = "small"

[adapter]
class = "shop.adapter:Adapter"

[[service]]
name = "app"
command = ["serve", "{port}"]
env = { PAY_AT = "{provider_url}" }

[[service]]
name = "provider"
command = ["pay"]

[external]
urls = { app = "http://127.0.0.1:8000", provider = "http://127.0.0.1:8001" }
links = { "app->provider" = { listen = "127.0.0.1:6000", upstream = "127.0.0.1:8001" } }
"""


@pytest.fixture(autouse=True)
def nothing_reported(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    part_names._reported.clear()
    yield
    part_names._reported.clear()


def test_names_that_never_changed_stay_and_report_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("app", "app->postgres", "client->app-2", "redis", "anything"):
        assert current_name(name) == accept_name(name, "here") == name
    assert capsys.readouterr().err == ""


def test_a_descriptor_with_the_old_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "system.toml"
    path.write_text(DESCRIPTOR)
    found = load(path)
    assert found.service("payments") is not None
    assert found.external is not None
    assert list(found.external.urls) == ["app", "payments"]
    assert list(found.external.links) == [NEW]
    assert fill(found.app.env["PAY_AT"], {"payments_url": "http://pay"}) == "http://pay"
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    assert "[[service]] name: 'provider' is now called 'payments'" in said[0]
    assert all("is now called" in line for line in said)


def test_settings_with_the_old_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "overbooked.toml").write_text('[stack.ports]\nprovider = 9100\n"app->provider" = 9101\n')
    settings = Settings.load()
    assert settings.stack.ports == {"payments": 9100, NEW: 9101}
    assert "[stack] ports: 'provider' is now called 'payments'" in capsys.readouterr().err


def test_the_old_name_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        accept_name(OLD, "a fault")
    assert capsys.readouterr().err == (
        "overbooked: a fault: 'app->provider' is now called 'app->payments'; "
        "the old name is accepted in this version only\n"
    )


def test_an_adapter_finds_its_provider_by_the_old_name() -> None:
    urls = PartsByName({"app": "http://a", "payments": "http://p"}, "urls")
    assert urls["provider"] == urls["payments"] == "http://p"
    assert list(urls) == ["app", "payments"]
    with pytest.raises(KeyError, match="elsewhere"):
        urls["elsewhere"]


def test_a_bundle_of_a_schedule_with_the_old_name() -> None:
    recorded = trace(replace(step(0, "POST", "http"), link=OLD))
    read = parse_bundle(bundle(recorded_schedule("r", recorded)).dumped(), "x")
    assert [one.link for one in read.trace.steps] == [NEW]


def test_a_bundle_of_a_fault_plan_with_the_old_name(capsys: pytest.CaptureFixture[str]) -> None:
    def plan(link: str) -> FaultPlan:
        point = FaultPoint("checkout", 2, link, "POST /v1/x", 1, "POST", "pay")
        return FaultPlan("checkout", point, FaultKind.ANSWER_LOST, "", point, FaultKind.ERROR)

    old = Recording(kind="fault plan", faults=recorded_plan(plan(OLD)), aspect="money")
    text = bundle(old).dumped()
    assert json.loads(text)["recording"]["faults"]["point"]["link"] == OLD
    read = parse_bundle(text, "x.json").recording
    assert read.faults is not None
    # The fingerprint follows too, so that the point is found in a run of today.
    assert read.faults == recorded_plan(plan(NEW))
    assert "x.json: 'app->provider' is now called 'app->payments'" in capsys.readouterr().err
