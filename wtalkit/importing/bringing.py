"""One video's array into the features folder: by link where the file already is what belongs there, else row by row."""

from __future__ import annotations

import errno
import hashlib
from contextlib import suppress
from pathlib import Path

from wtalkit.atomic import disk_error, sync_folder, temporary_folder, write_text
from wtalkit.errors import InputError
from wtalkit.features.record import FeatureRecord
from wtalkit.features.store import FeatureWriter, feature_paths, require_finite
from wtalkit.importing.pack import Mode
from wtalkit.importing.report import How
from wtalkit.importing.rows import Rows, pieces

ALL_ZERO = "all its numbers are zero"


def bring(folder: Path, key: str, rows: Rows, record: FeatureRecord, mode: Mode) -> tuple[FeatureRecord, How]:
    """Put the array of a video and its record in their places; gives the record as it was written, and how.

    Raises:
        InputError: the array is damaged or holds NaN, or cannot be linked and ``mode`` is ``link``.
        Busy: another process is importing this video.
        MachineError: the disk is full or the folder read-only.
    """
    source = rows.linkable
    if mode == "link" and source is None:
        raise InputError(
            "is not the float32 array (T, dim) of one video, so it cannot be linked", file=rows.origin.path,
            remedy="Use --mode auto",
        )  # fmt: skip
    if mode != "copy" and source is not None and (linked := _link(folder, key, source, rows, record, mode)) is not None:
        return linked
    written = record
    with FeatureWriter(folder, key) as writer:
        is_zero = True
        for first, piece in pieces(rows):
            require_finite(piece, first, rows.origin.path)
            is_zero = is_zero and not piece.any()
            writer.append(piece)
        written = _noted(record, is_zero)
        writer.finish(written)
    return written, "copied"


def _noted(record: FeatureRecord, is_zero: bool) -> FeatureRecord:
    return record.model_copy(update={"warnings": (*record.warnings, ALL_ZERO)}) if is_zero else record


def _link(
    folder: Path, key: str, source: Path, rows: Rows, record: FeatureRecord, mode: Mode
) -> tuple[FeatureRecord, How] | None:
    """None where the file system has no links and a copy may take their place."""
    array_path, record_path = feature_paths(folder, key)
    digest, is_zero = hashlib.sha256(), True
    for first, piece in pieces(rows):
        require_finite(piece, first, source)
        is_zero = is_zero and not piece.any()
        digest.update(piece.data)
    record = _noted(record, is_zero)
    try:
        array_path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(array_path.parent) as apart:
            temporary = apart / "link"
            how = _make_link(temporary, source.resolve())
            if how is None:
                if mode == "link":
                    raise InputError("cannot be linked from there", file=source, remedy="Use --mode auto")
                return None
            noted = record.model_copy(update={"array_sha256": digest.hexdigest()})
            write_text(record_path, noted.to_json())
            temporary.replace(array_path)
        sync_folder(array_path.parent)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError("its name is too long to name a features file", file=source) from error
        if (translated := disk_error(error, array_path)) is not None:
            raise translated from error
        raise
    return record, how


def _make_link(path: Path, target: Path) -> How | None:
    """A hard link, else a symbolic one; None where there are neither."""
    try:
        path.hardlink_to(target)
        return "linked"
    except OSError:
        with suppress(OSError):
            path.symlink_to(target)
            return "symlinked"
    return None
