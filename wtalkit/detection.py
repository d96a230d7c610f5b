"""From videos, or their features, to segments."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.detector import Detector, Show
from wtalkit.errors import InputError
from wtalkit.inputs import Failure, Input, attempt, gather
from wtalkit.project import Project
from wtalkit.segments import Detections
from wtalkit.zoo import choose_model

if TYPE_CHECKING:
    from wtalkit.features import FeatureFile

__all__ = ["Detector", "Show", "detect", "detect_many"]


def detect(
    path: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    threshold: float | None = None,
    everything: bool = False,
    classes: Sequence[str] | None = None,
    label: str | None = None,
    device: str = "auto",
    offline: bool = False,
) -> Detections:
    """Find the actions in one video.

    Args:
        path: a video, or a ``.npy`` feature file with its record beside it.
        model: a bundled model's name, a zero-training one's, a ``.safetensors`` file, a run's folder or ``"latest"``;
            by default the newest run of the current folder, else what its ``wtalkit.toml`` names, else I3D with its
            Kinetics classes where the weights are to be had, else the bundled model.
        threshold: least score to report, in place of the model's own.
        everything: report every scored candidate.
        classes: report only these.
        label: this one happens in the video, the question is when; scores then are relative to the video.
        device: ``auto``, ``cpu`` or ``cuda``.
        offline: never use the network.

    Raises:
        InputError: the file is missing, unreadable, damaged or too short.
        ModelError: the model cannot be used, or its backbone's weights are not those it was trained on.
        MachineError: the device or the weights are not to be had.
    """
    found, failures = gather([path], features=True)
    if failures:
        raise InputError(failures[0].cause, file=path)
    if len(found) > 1 or Path(path).is_dir():
        raise InputError("is a folder, detect() takes one video", file=path, remedy="Use detect_many")
    named = None if model is None else os.fspath(model)
    choice = choose_model(named, Project.load(), footage=found[0].kind == "video", offline=offline)
    detector = Detector(choice, device=device, offline=offline)
    names = None if classes is None else tuple(classes)
    try:
        return detector.detect(found[0], detector.checked(Show(threshold, everything, names, label)))
    finally:
        detector.close()


def detect_many(
    inputs: Iterable[Input], detector: Detector, show: Show, *, starting: Callable[[Input], None] | None = None
) -> Iterator[Detections | Failure]:
    """Find the actions in many inputs; one that fails never stops the others.

    Feature files come first. Several videos are worked on at once, and each is answered when it is ready.

    Args:
        inputs: what :func:`wtalkit.inputs.gather` found.
        detector: the model, loaded once.
        show: which candidates are wanted.
        starting: called before each input.
    """
    given = list(inputs)
    for each in given:
        if each.kind != "video":
            if starting is not None:
                starting(each)
            yield attempt(each.path, partial(detector.detect, each, show))
    with closing(_features([each for each in given if each.kind == "video"], detector, starting)) as made:
        for each, features in made:
            if isinstance(features, Failure):
                yield features
            else:
                yield attempt(each.path, partial(detector.judge, features, each, show))


def _features(
    videos: Sequence[Input], detector: Detector, starting: Callable[[Input], None] | None
) -> Generator[tuple[Input, FeatureFile | Failure], None, None]:
    """The features of all videos, in the order in which they are ready."""
    if not videos:
        return
    from wtalkit.extraction.lanes import Begun, Done

    with closing(detector.engine.features(videos)) as events:
        for event in events:
            if isinstance(event, Done):
                yield event.video, event.result
            elif isinstance(event, Begun):
                if starting is not None:
                    starting(event.video)
            elif detector.progress is not None:
                detector.progress(event)
