"""Layers of settings: each records where it was read, so that an error can name the place."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from overbooked.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Layer:
    """The settings from one source.

    Args:
        where: the name of the source in messages.
        values: the values, nested as in `Settings`.
        base: the folder that relative paths start from.
        file: the file, if the source is one.
    """

    where: str
    values: Mapping[str, Any]
    base: Path
    file: Path | None = None

    def checked(self, model: type[BaseModel]) -> Layer:
        """Return a copy without unset values. Raises ConfigError for an unknown key."""
        return replace(self, values=_checked(self.values, model, (), self.where))

    def anchored(self, model: type[BaseModel]) -> Layer:
        """Return a copy with absolute paths."""
        return replace(self, values=_anchored(self.values, model, self.base))

    def says(self, loc: Sequence[str | int]) -> bool:
        """Whether this layer has a value at the key path `loc`."""
        value: Any = self.values
        for part in loc:
            if not isinstance(value, Mapping):
                return True
            if part not in value:
                return False
            value = value[part]
        return True


def read_file(file: Path) -> Layer:
    """The layer of one TOML file. Raises ConfigError if it cannot be read."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: the settings cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error
    return Layer(str(file), values, file.parent, file)


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """Merge all layers key by key; a later one overrides an earlier one."""
    whole: dict[str, Any] = {}
    for layer in layers:
        _merge(whole, layer.values)
    return whole


def complaint(error: ValidationError, layers: Sequence[Layer]) -> str:
    """One line per invalid value: its key, where it was read, and what is allowed."""
    lines = []
    for item in error.errors():
        said = [layer for layer in layers if layer.says(item["loc"])]
        where = said[-1].where if said else "settings"
        key = ".".join(str(part) for part in item["loc"])
        lines.append(f"{where}: {key}: {item['msg']}, found {item['input']!r}")
    return "\n".join(lines)


def _merge(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = under.get(key)
            under[key] = dict(below) if isinstance(below, Mapping) else {}
            _merge(under[key], value)
        else:
            under[key] = value


def _checked(
    values: Mapping[str, Any], model: type[BaseModel], path: tuple[str, ...], where: str
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if value is None:
            continue
        if key not in model.model_fields:
            # Where extra keys are allowed, a key close to a known one is still treated as a typo.
            slip = difflib.get_close_matches(key, model.model_fields, n=1, cutoff=0.8)
            if model.model_config.get("extra") == "allow" and not slip:
                kept[key] = value
                continue
            raise ConfigError(_unknown(key, path, model, where))
        kept[key] = value
        if isinstance(value, Mapping):
            annotation = model.model_fields[key].annotation
            if inner := _model(annotation):
                kept[key] = _checked(value, inner, (*path, key), where)
            elif entry := _model_of_entries(annotation):
                kept[key] = {
                    name: _checked(table, entry, (*path, key, name), where)
                    if isinstance(table, Mapping)
                    else table
                    for name, table in value.items()
                }
    return kept


def _unknown(key: str, path: tuple[str, ...], model: type[BaseModel], where: str) -> str:
    near = difflib.get_close_matches(key, model.model_fields, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(model.model_fields))}"
    return f"{where}: {'.'.join([*path, key])}: no such key; {hint}"


def _anchored(values: Mapping[str, Any], model: type[BaseModel], base: Path) -> dict[str, Any]:
    placed: dict[str, Any] = {}
    for key, value in values.items():
        if key not in model.model_fields:
            placed[key] = value
            continue
        annotation = model.model_fields[key].annotation
        inner = _model(annotation)
        if inner and isinstance(value, Mapping):
            placed[key] = _anchored(value, inner, base)
        elif Path in _leaves(annotation):
            placed[key] = _placed(value, base)
        else:
            placed[key] = value
    return placed


def _placed(value: Any, base: Path) -> Any:
    if isinstance(value, str) and "," in value:
        return [_placed(part.strip(), base) for part in value.split(",") if part.strip()]
    if isinstance(value, str | Path):
        return base / Path(value).expanduser()
    if isinstance(value, list | tuple):
        return [_placed(part, base) for part in value]
    return value


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model class of a field's annotation (`Model` or `Model | None`), else None."""
    for leaf in (annotation, *get_args(annotation)) if _is_union(annotation) else (annotation,):
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            return leaf
    return None


def _model_of_entries(annotation: Any) -> type[BaseModel] | None:
    """The model class of the values in a table of tables, else None."""
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _model(get_args(annotation)[-1])
    return None


def _leaves(annotation: Any) -> Iterator[Any]:
    if get_args(annotation):
        for part in get_args(annotation):
            yield from _leaves(part)
    else:
        yield annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)
