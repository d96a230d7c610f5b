"""``wtalkit completion``: a script with which a shell completes commands, options and the names that they take.

Everything is written into the script, so that the Tab key starts no Python; who updates wtalkit writes it anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Annotated, Any, get_type_hints

import typer

from wtalkit.cli.options import Debug, Quiet, Verbose
from wtalkit.cli.terminal import Terminal

_PLAIN = re.compile(r"[\w.+-]+")
"""What needs no quotes in any shell; other names are left to the user's fingers."""


class Shell(StrEnum):
    """Shells that scripts can be written for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@dataclass(frozen=True)
class Option:
    """An option of a command.

    Attributes:
        names: ``--out``, and ``-o`` where there is one.
        about: its first sentence.
        takes: whether a value follows.
        values: the values that are known; without any, a file may follow.
    """

    names: tuple[str, ...]
    about: str
    takes: bool
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """A command.

    Attributes:
        path: its words, without ``wtalkit``; none for the whole.
        about: its first sentence.
        children: names of its subcommands.
        options: its own.
        values: what may follow instead of a file.
    """

    path: tuple[str, ...]
    about: str
    children: tuple[str, ...]
    options: tuple[Option, ...]
    values: tuple[str, ...] = ()


def command(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument(help="For which shell.", metavar="bash|zsh|fish")],
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Print a script that completes wtalkit's commands, options and names in a shell.

    bash: wtalkit completion bash > ~/.local/share/bash-completion/completions/wtalkit
    zsh: wtalkit completion zsh > DIR/_wtalkit, where DIR is in fpath.
    fish: wtalkit completion fish > ~/.config/fish/completions/wtalkit.fish
    """
    from wtalkit.cli import completion_scripts

    nodes = list(tree(context.find_root().command))
    Terminal(quiet=quiet, verbose=verbose).document(getattr(completion_scripts, shell.value)(nodes))
    return 0


def tree(root: Any) -> Iterator[Node]:
    """All commands below and including ``root``, parents first."""
    known = known_values()
    waiting: list[tuple[tuple[str, ...], Any]] = [((), root)]
    while waiting:
        path, each = waiting.pop(0)
        children: Mapping[str, Any] = getattr(each, "commands", {})
        shown = {name: child for name, child in children.items() if not child.hidden}
        hints = get_type_hints(each.callback) if each.callback is not None else {}
        options = [_option(param, hints.get(param.name), known) for param in each.params if _is_option(param)]
        enums = [_choices(hints.get(param.name)) for param in each.params if not _is_option(param)]
        values = next((values for values in enums if values), known.get(" ".join(path), ()))
        yield Node(path, _first(each.help), tuple(shown), (*options, Option(("--help", "-h"), "Help.", False)), values)
        waiting += [((*path, name), child) for name, child in shown.items()]


def known_values() -> dict[str, tuple[str, ...]]:
    """Names that options and commands take, as far as looking them up is cheap."""
    from wtalkit.backbones.specs import BACKBONES
    from wtalkit.datasets import DATASETS
    from wtalkit.evaluation.protocols import PROTOCOLS
    from wtalkit.evaluation.rules import NMS
    from wtalkit.export.formats import FORMATS
    from wtalkit.features.spec import PRESETS
    from wtalkit.flow.algorithms import FLOWS
    from wtalkit.integrity import WEIGHTS
    from wtalkit.methods import METHODS
    from wtalkit.zero_training import ZERO_TRAINING
    from wtalkit.zoo import HUB_FILES, PUBLIC_FILES, bundled_dir, bundled_models

    models = (*bundled_models(), "latest", *ZERO_TRAINING)
    weights = WEIGHTS
    recipes = sorted({path.stem for path in (bundled_dir() / "recipes").glob("*/*.toml")})
    found: dict[str, tuple[str, ...]] = {
        "--method": tuple(METHODS),
        "--base": tuple(name for name, entry in METHODS.items() if entry.role == "base"),
        "--plugin": tuple(name for name, entry in METHODS.items() if entry.role == "plugin"),
        "--model": models,
        "--proposer": (*bundled_models(), "latest"),
        "--dataset": tuple(DATASETS),
        "--protocol": tuple(PROTOCOLS),
        "--nms": NMS,
        "--format": tuple(FORMATS),
        "--backbone": tuple(BACKBONES),
        "--flow": FLOWS,
        "--recipe": tuple(recipes),
        "--assume-spec": tuple(PRESETS),
        "--spec": tuple(PRESETS),
        "models info": models,
        "models verify": (*models, *weights),
        "models path": (*models, *weights),
        "models pull": (*PUBLIC_FILES, *HUB_FILES),
        "methods": tuple(METHODS),
    }
    return {key: tuple(value for value in values if _PLAIN.fullmatch(value)) for key, values in found.items()}


def _is_option(param: Any) -> bool:
    return any(name.startswith("-") for name in param.opts)


def _option(param: Any, hint: Any, known: Mapping[str, tuple[str, ...]]) -> Option:
    takes = not getattr(param, "is_flag", False)
    values = _choices(hint) or next((known[name] for name in param.opts if name in known), ())
    return Option((*param.opts, *param.secondary_opts), _first(param.help), takes, values if takes else ())


def _choices(hint: Any) -> tuple[str, ...]:
    return tuple(str(each.value) for each in hint) if isinstance(hint, type) and issubclass(hint, Enum) else ()


def _first(text: str | None) -> str:
    """The first sentence."""
    return re.split(r"(?<=[.;:])\s|\n", (text or "").strip(), maxsplit=1)[0].rstrip(".;:")
