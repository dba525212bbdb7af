"""What the models of task.toml have in common: they are frozen, and keep what they do not know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Strings = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class Lenient(BaseModel):
    """A table of somebody else's format: unknown keys stay in `model_extra`."""

    model_config = ConfigDict(
        frozen=True, extra="allow", populate_by_name=True, coerce_numbers_to_str=True
    )


class Strict(BaseModel):
    """A table of our own: an unknown key or a value of another type is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


_BARE = re.compile(r"[A-Za-z0-9_-]+")


def written(key: str) -> str:
    """A key as TOML writes it: in quotes unless it is a plain word."""
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def unknown_keys(table: BaseModel, prefix: str = "") -> Iterator[str]:
    """The dotted keys that were kept and not understood, depth first."""
    for key in table.model_extra or {}:
        yield prefix + written(key)
    for key in type(table).model_fields:
        value = getattr(table, key)
        if isinstance(value, BaseModel):
            yield from unknown_keys(value, f"{prefix}{key}.")
        elif isinstance(value, tuple):
            for at, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from unknown_keys(item, f"{prefix}{key}[{at}].")


def known_keys(model: type[BaseModel]) -> list[str]:
    """The keys that `model` reads, aliases included."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        choices = getattr(alias, "choices", None)
        keys += [str(choice) for choice in choices] if choices else [name]
    return keys


def model_at(model: type[BaseModel], location: tuple[Any, ...]) -> type[BaseModel] | None:
    """The model of the table that the key at `location` stands in."""
    here: type[BaseModel] | None = model
    for part in location[:-1]:
        if isinstance(part, int) or here is None:
            continue
        field = here.model_fields.get(str(part))
        here = _model_in(field.annotation) if field else None
    return here


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
