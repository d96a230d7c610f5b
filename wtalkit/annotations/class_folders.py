"""Labels from folders: in ``videos/<class>/*.mp4`` the folder's name is the weak label."""

from __future__ import annotations

from pathlib import Path

from wtalkit.annotations.model import Annotations, VideoAnnotation
from wtalkit.annotations.problems import Problems
from wtalkit.errors import AnnotationsError
from wtalkit.inputs import gather


def read_class_folders(folder: Path) -> Annotations:
    """Annotations of the videos in the class folders of ``folder``; keys are ``<class>/<name>``, as in extraction.

    Raises:
        AnnotationsError: it holds no video, or videos outside of any class folder.
    """
    problems = Problems(folder)
    labels: dict[str, str] = {}
    for video in gather([folder])[0]:
        parts = video.path.relative_to(folder).parts
        if len(parts) == 1:
            problems.add(f"{video.path.name} lies in no class folder, so it has no label")
        else:
            labels[video.key] = parts[0]
    if not labels and not problems.found:
        raise AnnotationsError(
            "holds no video in a class folder", file=folder, remedy="Expected <folder>/<class>/<video>.mp4"
        )
    problems.raise_if_any()
    videos = {key: VideoAnnotation(labels=(label,)) for key, label in labels.items()}
    return Annotations(videos, tuple(sorted(set(labels.values()))), path=folder)


def has_class_folders(folder: Path) -> bool:
    """Whether every video below ``folder``, of which there is at least one, lies in a folder inside it."""
    if not folder.is_dir():
        return False
    videos = gather([folder])[0]
    return bool(videos) and all(video.path.parent != folder for video in videos)
