"""Hyper-parameters of a method: frozen, typed, unknown names refused with the nearest valid one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from wtalkit.errors import ConfigError
from wtalkit.suggest import remedy


class Options(BaseModel):
    """Base of every method's hyper-parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd")
    return value


OddKernel: TypeAlias = Annotated[int, Field(ge=1), AfterValidator(_odd)]
"""Snippets that a convolution, or a mean over time, sees: as many before the snippet as after it."""

OptionsT = TypeVar("OptionsT", bound=Options)


def read_options(kind: type[OptionsT], given: Mapping[str, Any], owner: str) -> OptionsT:
    """Build ``kind`` from plain values.

    Raises:
        ConfigError: an unknown name or a value of the wrong type or range.
    """
    _require_known(kind, given, owner)
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(step) for step in first["loc"])
        shown = first.get("input")
        raise ConfigError(f"{owner}: option {name} = {shown!r} is not usable ({first['msg']})") from error


def _require_known(kind: type[Options], given: Mapping[str, Any], owner: str) -> None:
    """Refuse unknown names, those in the tables of an option that is a group of options included."""
    for name, value in given.items():
        if name not in kind.model_fields:
            raise ConfigError(f"{owner} has no option {name!r}", remedy=remedy(name, kind.model_fields))
        group = kind.model_fields[name].annotation
        if isinstance(group, type) and issubclass(group, Options) and isinstance(value, Mapping):
            _require_known(group, value, f"{owner}.{name}")
