"""One door to all annotation formats."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from wtalkit.annotations.activitynet import read_activitynet
from wtalkit.annotations.class_folders import read_class_folders
from wtalkit.annotations.labels_csv import read_labels_csv
from wtalkit.annotations.model import Annotations
from wtalkit.annotations.problems import Problems
from wtalkit.documents import SIZE_LIMIT_BYTES
from wtalkit.errors import AnnotationsError


def load_annotations(
    path: str | PathLike[str], *, limit_bytes: int = SIZE_LIMIT_BYTES, problems: Problems | None = None
) -> Annotations:
    """Read annotations: ActivityNet JSON (``.json``, ``.json.gz``), a table (``.csv``, ``.tsv``), or class folders.

    Args:
        path: the file or folder.
        limit_bytes: larger files are refused.
        problems: takes what is wrong inside instead of an error, for who finds more and lists all in one go.

    Raises:
        AnnotationsError: missing, of no known kind, or wrong inside; every problem is listed at once.
    """
    path = Path(path)
    if path.is_dir():
        return read_class_folders(path)
    if not path.exists():
        raise AnnotationsError(
            "no such file",
            file=path,
            remedy="Labels are an annotations.json, a labels.csv (video,label), or a folder per class",
        )
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    if kind == ".json":
        return read_activitynet(path, limit_bytes=limit_bytes, problems=problems)
    if kind in (".csv", ".tsv", ".txt"):
        return read_labels_csv(path, limit_bytes=limit_bytes, problems=problems)
    raise AnnotationsError(
        "is of no known kind", file=path, remedy="Annotations are a .json, a .csv or a folder per class"
    )
