"""Descriptors; errors name the key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from overbooked.descriptor import Descriptor, fill, fill_command, fill_env, load, split_address
from overbooked.errors import ConfigError, ExitCode

WHOLE = """
name = "small"
root = ".."

[adapter]
class = "shop.adapter:Adapter"
colour = "green"

[database]
migrate = ["{python}", "migrate.py"]
migrate_env = { URL = "{owner_url}" }

[redis]

[[service]]
name = "app"
replicas = 2
command = ["serve", "--port", "{port}"]
env = { DATABASE = "{database_url}", FORMAT = '{"braces": true}' }

[[service]]
name = "payments"
command = ["pay", "{data_dir}"]

[mutants]
list = ["mutants"]
serve = ["serve", "{mutant}"]

[external]
urls = { app = "http://127.0.0.1:8000" }
links = { "app->redis" = { listen = "127.0.0.1:6000", upstream = "[::1]:6379" } }
"""

MINIMAL: dict[str, Any] = {
    "name": "small",
    "adapter": "a.b:C",
    "service": [{"name": "app", "command": ["x"]}],
}


def write(folder: Path, text: str) -> Path:
    path = folder / "target" / "system.toml"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_a_whole_descriptor_is_read(tmp_path: Path) -> None:
    found = load(write(tmp_path, WHOLE))
    assert found.root == tmp_path
    assert found.adapter == "shop.adapter:Adapter"
    assert dict(found.adapter_settings) == {"colour": "green"}
    assert found.app.replicas == 2
    assert found.database is not None
    assert found.database.observer == "booking_observer"
    assert found.external is not None


def test_the_bundled_system_is_described() -> None:
    found = load(Path(__file__).parents[2] / "reference_system" / "target" / "system.toml")
    assert found.service("payments") is not None
    assert found.app.replicas >= 2


def test_root_is_the_descriptors_own_folder_unless_it_says(tmp_path: Path) -> None:
    assert load(write(tmp_path, 'name = "a"\n[adapter]\nclass = "a:B"\n')).root == tmp_path / "target"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "cannot be read"),
        (WHOLE.replace('"small"', '"Big One"'), "name: "),
        (WHOLE.replace("replicas = 2", "replicas = 0"), "service.0.replicas"),
        (WHOLE.replace('name = "payments"', 'name = "app"'), "each service is described once"),
        (WHOLE.replace('name = "payments"', 'name = "bank"'), "service.1.name"),
        (
            WHOLE.replace("{port}", "{prot}"),
            "service app.command has the unknown placeholder {prot}; known are {host}",
        ),
        (WHOLE.replace("{data_dir}", "{mutant}"), "which is available in the mutant commands only"),
        (WHOLE.replace("migrate.py", "{nothing}"), "database.migrate has the unknown placeholder"),
        (WHOLE.replace('["mutants"]', '["{nothing}"]'), "mutants.list has the unknown placeholder"),
        (WHOLE.replace("[redis]", "[radish]"), "radish: Extra inputs"),
        (WHOLE.replace("6379", "many"), "is not host:port"),
        (WHOLE.replace('{ app = "http', '{ web = "http'), "urls must name at least `app`"),
        (WHOLE.replace("class =", "klass ="), "adapter: "),
        (
            WHOLE.replace("replicas = 2", 'preload = ["shop"]'),
            "preload needs a command that begins with {python} -m",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_missing_descriptor_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no descriptor at .*; \[target\] descriptor in overbooked\.toml"):
        load(tmp_path / "none.toml")


def test_a_folder_is_no_descriptor(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_system_without_a_service_cannot_be_started() -> None:
    found = Descriptor.model_validate({"name": "far", "adapter": "a:B"})
    with pytest.raises(ConfigError, match="nothing to start"):
        _ = found.app


# -- the adapter --------------------------------------------------------------------------------

ADAPTER = """
class Good:
    capabilities = frozenset()
    async def connect(self, surroundings): ...
    async def close(self): ...
    async def open_slot(self, *, capacity, price, private_venue=False): ...
    async def customers(self, names): ...
class Bad:
    pass
"""


def test_an_adapter_is_loaded_from_beside_its_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "adapter_of_this_test.py").write_text(ADAPTER)
    made = Descriptor.model_validate({**MINIMAL, "adapter": "adapter_of_this_test:Good", "root": tmp_path})
    assert type(made.load_adapter()).__name__ == "Good"
    bad = Descriptor.model_validate({**MINIMAL, "adapter": "adapter_of_this_test:Bad", "root": tmp_path})
    with pytest.raises(ConfigError, match="is not an adapter"):
        bad.load_adapter()
    absent = Descriptor.model_validate({**MINIMAL, "adapter": "adapter_of_this_test:None_", "root": tmp_path})
    with pytest.raises(ConfigError, match="cannot be loaded"):
        absent.load_adapter()


def test_an_adapter_that_does_not_exist_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"'a\.b:C' of small cannot be loaded"):
        Descriptor.model_validate(MINIMAL).load_adapter()


# -- placeholders -------------------------------------------------------------------------------


def test_placeholders_are_filled_and_other_braces_left() -> None:
    assert fill('{"port": {port}}', {"port": 80}) == '{"port": 80}'
    assert fill_command(["{host}:{port}"], {"host": "h", "port": 1}) == ["h:1"]
    assert fill_env({"A": "{host}"}, {"host": "h"}) == {"A": "h"}


def test_a_placeholder_without_a_value_names_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"\{redis_url\} in '.*' has no value here; there are host, port"):
        fill("x{redis_url}", {"port": 1, "host": "h"})


@pytest.mark.parametrize("text", ["nohost", ":80", "host:", "host:port", "host:70000"])
def test_an_address_is_host_and_port(text: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        split_address(text)
    assert split_address("[::1]:80") == ("::1", 80)
