"""Do labels, videos and subsets fit together? Asked before anything is trained."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from wtalkit.annotations.model import Annotations
from wtalkit.annotations.problems import Problem, Problems


def training_problems(
    annotations: Annotations,
    keys: Collection[str],
    *,
    train_subset: str | None,
    test_subset: str | None = None,
) -> list[Problem]:
    """Everything that should stop a training run.

    Args:
        annotations: the whole file.
        keys: keys of the videos (or features) that exist.
        train_subset: subset trained on, None for the whole file.
        test_subset: subset scored later, if any.

    Returns:
        Labelled training videos that do not exist, existing videos that no row names, training videos without a
        label, and classes that only the test subset has.
    """
    existing = set(keys)
    train = annotations.subset(train_subset)
    found = [
        Problem(f"{key!r} has labels, but there is no such video", video.line)
        for key, video in train.videos.items()
        if key not in existing
    ]
    found += [Problem(f"{key!r} has no label", video.line) for key, video in train.videos.items() if not video.labels]
    found += [Problem(f"the video {key!r} has no labels") for key in sorted(existing - set(annotations.videos))]
    known = {label for video in train.videos.values() for label in video.labels}
    if test_subset is not None and test_subset != train_subset:
        for key, video in annotations.subset(test_subset).videos.items():
            new = sorted(set(video.labels) - known)
            known.update(new)
            found += [Problem(f"{key!r}: no training video has the class {label!r}", video.line) for label in new]
    return found


def require_trainable(
    annotations: Annotations,
    keys: Collection[str],
    *,
    train_subset: str | None,
    test_subset: str | None = None,
) -> None:
    """Raise one error that lists all of :func:`training_problems`.

    Raises:
        AnnotationsError: there is at least one.
    """
    file = annotations.path if annotations.path is not None else Path("annotations")
    Problems(
        file, found=training_problems(annotations, keys, train_subset=train_subset, test_subset=test_subset)
    ).raise_if_any()
