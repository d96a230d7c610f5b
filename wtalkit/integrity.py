"""Whether models and weights are what they were published as: their content by hash, then whether they load.

Public weights are known by the id that git gives their content, or by the SHA-256 in their name; what comes with
wtalkit by ``SHA256SUMS`` among the bundled models, made there with ``sha256sum */*.safetensors > SHA256SUMS``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wtalkit.backbones.specs import BACKBONES
from wtalkit.content import git_blob_id
from wtalkit.errors import ModelError, WtalkitError
from wtalkit.project import Project
from wtalkit.zoo import (
    HUB_FILES,
    PUBLIC_FILES,
    bundled_dir,
    bundled_models,
    choose_model,
    present,
    weights_folder,
)

SUMS_FILE = "SHA256SUMS"
WEIGHTS = (*BACKBONES, *(name for name in HUB_FILES if name not in BACKBONES))
"""Names of backbones and flows that have weight files."""


@dataclass(frozen=True)
class Verdict:
    """What became of verifying one model or backbone.

    Attributes:
        name: of it.
        note: what it is, where it is whole.
        problem: what is wrong, one sentence; None where it is whole.
        is_absent: the problem is that there is nothing to look at.
    """

    name: str
    note: str
    problem: str | None = None
    is_absent: bool = False


@dataclass(frozen=True)
class Location:
    """Where a model or weights lie.

    Attributes:
        path: file or folder.
        is_there: whether all of it is.
        pull: what ``wtalkit models pull`` calls it; None where it comes with the package or was made here.
    """

    path: Path
    is_there: bool
    pull: str | None = None


def location(name: str, project: Project) -> Location:
    """Where a model or the weights of a backbone or flow lie, and whether all that is needed of it is there.

    Args:
        name: of weights, or as for ``--model``.
        project: where runs are looked for.

    Raises:
        ModelError: there is nothing of that name.
    """
    if name in HUB_FILES:
        path = weights_folder(name) / HUB_FILES[name].name
        return Location(path, path.is_file(), name)
    if name in BACKBONES:
        return Location(weights_folder(name), not missing_streams(name), name if name in PUBLIC_FILES else None)
    choice = choose_model(name, project)
    if (wanted := choice.zero_training) is None:
        return Location(choice.path, True)
    found = location(wanted.backbone, project)
    if wanted.backbone in PUBLIC_FILES and wanted.flow == "none":
        return replace(found, is_there="rgb" not in missing_streams(wanted.backbone))
    return found


def verify(name: str | None, project: Project) -> Iterator[Verdict]:
    """Verify one model or backbone, or all weights in the cache and all that is bundled.

    Args:
        name: of weights, or as for ``--model``; None for all.
        project: where runs are looked for.

    Raises:
        ModelError: there is nothing of that name.
    """
    if name is None:
        yield from (_verdict(each, _check_weights) for each in WEIGHTS if weight_files(each))
        yield from (_verdict(each, _check_model, path) for each, path in bundled_models().items())
    elif name in WEIGHTS:
        yield _verdict(name, _check_weights)
    else:
        choice = choose_model(name, project)
        if choice.zero_training is not None:
            yield _verdict(choice.zero_training.backbone, _check_weights)
        else:
            yield _verdict(name, _check_model, choice.path)


def _verdict(name: str, check: Callable[..., str], *arguments: Path) -> Verdict:
    try:
        return Verdict(name, check(*(arguments or (name,))))
    except WtalkitError as error:
        return Verdict(name, "", str(error), is_absent=check is _check_weights and not weight_files(name))


def _check_weights(name: str) -> str:
    from wtalkit.backbones import load_backbone
    from wtalkit.flow import get_flow

    for path in weight_files(name):
        _check_content(name, path)
    if name not in BACKBONES:
        get_flow(name, offline=True)
        return "whole; published, SHA-256 as in its name"
    only_rgb = name in PUBLIC_FILES and missing_streams(name) == ["flow"]
    backbone = load_backbone(name, flow="none" if only_rgb else "tvl1", offline=True)
    return f"whole; {backbone.weights_note}{', rgb only' if only_rgb else ''}"


def _check_model(path: Path) -> str:
    from wtalkit.modelfile import load_model

    _check_bundled(path)
    loaded = load_model(path)
    actions = f"{len(loaded.header.classes)} action{'s' * (len(loaded.header.classes) != 1)}"
    return f"whole; {loaded.header.composition}, {actions}, sha256 {loaded.sha256[:16]}"


def _check_content(name: str, path: Path) -> None:
    """Compare a weights file with what was published under its name; other files of one's own have none to compare.

    Raises:
        ModelError: it is another.
    """
    if name in HUB_FILES:
        published = HUB_FILES[name].is_whole(path)
    else:
        known = {file.name: file.blob_id for file in PUBLIC_FILES.get(name, {}).values()}
        published = path.name not in known or git_blob_id(path) == known[path.name]
    if not published:
        advice = f"Keep it if it is your own, or replace it with wtalkit models pull {name} --force"
        raise ModelError("is another file than the published one", file=path, remedy=advice)
    _check_bundled(path)


def _check_bundled(path: Path) -> None:
    """Compare a file that comes with wtalkit with its sum; any other, and any without a sum, passes.

    Raises:
        ModelError: it is not what came with wtalkit.
    """
    sums = bundled_dir() / SUMS_FILE
    if not path.is_relative_to(bundled_dir()) or not sums.is_file():
        return
    known = {name: digest for digest, name in (line.split(maxsplit=1) for line in sums.read_text("utf-8").splitlines())}
    wanted = known.get(path.relative_to(bundled_dir()).as_posix())
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if wanted is not None and found != wanted:
        raise ModelError("is not the file that came with wtalkit", file=path, remedy="Install wtalkit again")


def weight_files(name: str) -> list[Path]:
    """The weight files that are there for a backbone or flow."""
    if name in HUB_FILES:
        path = weights_folder(name) / HUB_FILES[name].name
        return [path] * path.is_file()
    found = (present(name, stream, weights_folder(name)) for stream in ("rgb", "flow"))
    return [path for path in found if path is not None]


def missing_streams(name: str) -> list[str]:
    """Streams of I3D or i3d-mini whose weights are not there."""
    return [stream for stream in ("rgb", "flow") if present(name, stream, weights_folder(name)) is None]
