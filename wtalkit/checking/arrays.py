"""Every feature array opened and read: numbers finite, shape and digest as its record says."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from wtalkit.checking.report import CheckedFeatures, Finding, State
from wtalkit.cores import available_cores
from wtalkit.errors import InputError
from wtalkit.features.record import FeatureRecord
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import array_digest, read_features, read_record
from wtalkit.inputs import Failure, Input, attempt
from wtalkit.npy import HEADER_LIMIT_BYTES, BadHeader, read_header
from wtalkit.suggest import some_of


def check_arrays(
    arrays: Sequence[Input],
    *,
    assume: FeatureSpec | None = None,
    fast: bool = False,
    workers: int | None = None,
    told: Callable[[int], None] | None = None,
) -> list[CheckedFeatures]:
    """Read the arrays, several at once, in order.

    Args:
        arrays: feature files.
        assume: spec of those without a record.
        fast: only their headers and records.
        workers: threads; as many as there are cores by default.
        told: how many are through.
    """
    with ThreadPoolExecutor(workers or available_cores(), "wtalkit-arrays") as pool:
        found = []
        for checked in pool.map(partial(_checked, assume=assume, fast=fast), arrays):
            found.append(checked)
            if told is not None:
                told(len(found))
        return found


def spec_findings(arrays: Sequence[CheckedFeatures], folder: str) -> Iterator[Finding]:
    """A folder that is trained on holds features of one kind, and knows which."""
    sound = [each for each in arrays if each.state != "failed"]
    bare = [each.key for each in sound if each.spec is None]
    if bare and len(bare) == len(sound):
        yield Finding(
            "features",
            "holds arrays without records, so how they were made is unknown; name it with --assume-spec, or use "
            "wtalkit import",
            folder,
            is_problem=True,
        )
    elif bare:
        yield Finding("features", f"{len(bare)} arrays without a record are passed over: {some_of(bare)}", folder)
    kinds = [(each.key, each.spec) for each in sound if each.spec is not None]
    if not kinds:
        return
    usual = next(spec for spec, _ in Counter(spec for _, spec in kinds).most_common(1))
    for key, spec in kinds:
        if differences := usual.differences(spec):
            yield Finding(
                "features",
                f"{key!r} is of another spec than most: {'; '.join(differences)} (most first)",
                folder,
                is_problem=True,
            )


def _checked(array: Input, *, assume: FeatureSpec | None, fast: bool) -> CheckedFeatures:
    action = partial(_opened if fast else _read, array, assume)
    found = attempt(array.path, action)
    if not isinstance(found, Failure):
        return found
    return CheckedFeatures(array.key, os.fspath(array.path), "failed", found.cause)


def _read(array: Input, assume: FeatureSpec | None) -> CheckedFeatures:
    file = read_features(array.path, assume=assume)
    snippets, dim = file.array.shape
    # Where the record notes a digest, the numbers were just held against it.
    noted = None if file.record is None else file.record.array_sha256
    return _described(array, snippets, dim, file.record, noted or array_digest(file.array), "whole")


def _opened(array: Input, assume: FeatureSpec | None) -> CheckedFeatures:
    """What header and record say; the numbers are not looked at."""
    try:
        with array.path.open("rb") as opened:
            shape = read_header(memoryview(opened.read(HEADER_LIMIT_BYTES + 16))).shape
    except (OSError, BadHeader) as error:
        raise InputError(f"is not a readable array of numbers (it {error})", file=array.path) from error
    if len(shape) != 2 or not all(shape):
        raise InputError(f"has shape {shape}, features are (T, dim)", file=array.path)
    path = _record_path(array)
    record = read_record(path) if path.exists() else None
    wanted = shape if record is None else (record.spec.timeline.snippet_count(record.frames), record.spec.dim)
    if shape != wanted:
        cause = f"has shape {shape}, its record says {wanted}"
        raise InputError(cause, file=array.path, remedy="Extract the video again")
    found = _described(array, *shape, record, None if record is None else record.array_sha256, "opened")
    return replace(found, spec=assume) if record is None else found


def _described(
    array: Input, snippets: int, dim: int, record: FeatureRecord | None, digest: str | None, state: State
) -> CheckedFeatures:
    noted = _record_path(array).exists()
    return CheckedFeatures(
        array.key,
        os.fspath(array.path),
        "partial" if record is not None and not record.complete else state,
        cause=record.warnings[0] if record is not None and not record.complete and record.warnings else None,
        snippets=snippets,
        dim=dim,
        duration_s=record.duration_s if record is not None and noted else None,
        source_bytes=None if record is None else record.source_bytes,
        has_record=noted,
        content=None if digest is None else f"{dim} {digest}",
        spec=None if record is None else record.spec,
    )


def _record_path(array: Input) -> Path:
    return array.path.with_name(array.path.name.removesuffix(".npy") + ".json")
