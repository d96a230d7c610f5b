"""Labels from folders: in ``videos/<class>/*.mp4`` the folder's name is the weak label."""

from __future__ import annotations

from pathlib import Path

from wtalkit.annotations.model import Annotations, VideoAnnotation
from wtalkit.annotations.names import VIDEO_SUFFIXES, keys_from_file_names
from wtalkit.annotations.problems import Problems
from wtalkit.errors import AnnotationsError


def read_class_folders(folder: Path) -> Annotations:
    """Annotations of the videos in the class folders of ``folder``; keys are ``<class>/<name>``.

    Raises:
        AnnotationsError: it holds no video, or videos outside of any class folder.
    """
    problems = Problems(folder)
    labels: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in VIDEO_SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        parts = path.relative_to(folder).parts
        if len(parts) == 1:
            problems.add(f"{path.name} lies in no class folder, so it has no label")
        else:
            labels["/".join(parts)] = parts[0]
    if not labels and not problems.found:
        raise AnnotationsError(
            "holds no video in a class folder", file=folder, remedy="Expected <folder>/<class>/<video>.mp4"
        )
    problems.raise_if_any()
    keys = keys_from_file_names(labels)
    videos = {keys[name]: VideoAnnotation(labels=(label,)) for name, label in labels.items()}
    return Annotations(videos, tuple(sorted(set(labels.values()))), path=folder)
