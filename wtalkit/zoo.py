"""Where models and weights lie, and which model a command takes and why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from wtalkit import runs
from wtalkit.errors import ModelError
from wtalkit.project import Project
from wtalkit.suggest import remedy

PACKAGE = Path(__file__).parent
DEMO_MODEL = "samples"
MODEL_FILE = "model.safetensors"


def bundled_dir() -> Path:
    """The folder of bundled weights, models and recipes; ``WTALKIT_MODELS`` puts another in its place."""
    if override := os.environ.get("WTALKIT_MODELS"):
        return Path(override)
    packed = PACKAGE / "_bundled" / "models"
    return packed if packed.is_dir() else PACKAGE.parent / "models"


def demo_video() -> Path:
    """The bundled video that ``wtalkit demo`` looks at."""
    packed = PACKAGE / "_bundled" / "match.mp4"
    return packed if packed.is_file() else PACKAGE.parent / "samples" / "match.mp4"


def cache_dir() -> Path:
    """The folder for weights that are not bundled: ``WTALKIT_CACHE``, else the user's cache."""
    if override := os.environ.get("WTALKIT_CACHE"):
        return Path(override)
    return user_cache_path("wtalkit", appauthor=False)


def bundled_models() -> dict[str, Path]:
    """Name and file of every bundled localizer."""
    return {file.parent.name: file for file in sorted(bundled_dir().glob(f"*/{MODEL_FILE}"))}


@dataclass(frozen=True)
class Choice:
    """The model a command takes, and why.

    Attributes:
        path: the model's file.
        name: what to call it.
        reason: why this one, a few words that go into a line on stderr and into every output.
        is_demo: the bundled model, taken because there was nothing else.
    """

    path: Path
    name: str
    reason: str
    is_demo: bool = False


def choose_model(option: str | None, project: Project) -> Choice:
    """Decide in this order: the option, the newest run of the project, its ``wtalkit.toml``, the bundled model.

    Raises:
        ModelError: the model named does not exist, or no model is bundled.
    """
    if option is not None:
        return _resolve(option, project, reason="--model")
    newest = runs.newest(project.runs)
    if newest is not None:
        return Choice(newest.model, newest.name, f"newest run in {_shown(project.runs)}")
    if project.settings.model is not None:
        return _resolve(project.settings.model, project, reason="wtalkit.toml", relative_to=project.folder)
    if DEMO_MODEL not in bundled_models():
        raise ModelError(
            f"there is no run in {_shown(project.runs)}, and no model is bundled",
            remedy="Train one with wtalkit train, or name one with --model",
        )
    return Choice(bundled_models()[DEMO_MODEL], DEMO_MODEL, "bundled; no run and no wtalkit.toml here", is_demo=True)


@dataclass(frozen=True)
class BackboneChoice:
    """The backbone a command takes, and why.

    Attributes:
        name: one of ``BACKBONES``.
        reason: why this one, a few words.
        warning: what to say where a better one was not to be had.
    """

    name: str
    reason: str
    warning: str | None = None


def choose_backbone(option: str | None, project: Project) -> BackboneChoice:
    """Decide in this order: the option, ``wtalkit.toml``, real I3D if its weights are there, the bundled one.

    Raises:
        ConfigError: there is no backbone of that name.
    """
    from wtalkit.backbones import get_spec

    if option is not None:
        return BackboneChoice(get_spec(option).name, "--backbone")
    if project.settings.backbone is not None:
        return BackboneChoice(get_spec(project.settings.backbone).name, "wtalkit.toml")
    folder = cache_dir() / "weights" / "i3d"
    if any(folder.glob("rgb_imagenet.*")):
        return BackboneChoice("i3d", "from the cache")
    warning = (
        f"the bundled i3d-mini knows rendered clips only and is a poor judge of real footage; for that, put "
        f"rgb_imagenet.pt and flow_imagenet.pt of I3D into {folder}"
    )
    return BackboneChoice("i3d-mini", "bundled; no I3D weights in the cache", warning)


def _resolve(name: str, project: Project, *, reason: str, relative_to: Path = Path()) -> Choice:
    """Find a model by name: a file, a run's folder, a run's name, ``latest``, or a bundled one's name."""
    given = relative_to / name
    if given.is_file() and given.name != runs.LATEST:
        return Choice(given, name, reason)
    known: Mapping[str, Path] = bundled_models()
    for path in (given, project.runs / name):
        run = runs.resolve(path)
        if run is not None and run.finished:
            return Choice(run.model, run.name, reason)
        if run is not None:
            raise ModelError("this run has no model yet", file=path, remedy="Finish it with wtalkit train --resume")
    if name in known:
        return Choice(known[name], name, f"bundled; {reason}")
    finished = [run.name for run in runs.all_runs(project.runs) if run.finished]
    valid = [*known, *finished, runs.LATEST] if finished else [*known]
    raise ModelError(f"no model, run or file is named {name!r}", remedy=remedy(name, valid))


def _shown(folder: Path) -> str:
    text = os.path.relpath(folder)
    return f"{text}/"
