"""Packs to a features folder and annotations: what is there is skipped, what fails is listed, the rest goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from wtalkit import atomic
from wtalkit.answer import to_text
from wtalkit.errors import ConfigError, FeaturesError, InputError, MachineError
from wtalkit.features.folder import require_no_other_spec
from wtalkit.features.record import FeatureRecord
from wtalkit.features.spec import FeatureSpec
from wtalkit.features.store import feature_paths, read_features
from wtalkit.importing.agreement import (
    annotation_disagreements,
    coverage_disagreements,
    length_disagreements,
    list_disagreements,
    rate_disagreements,
)
from wtalkit.importing.bringing import ALL_ZERO, bring
from wtalkit.importing.layouts import open_pack
from wtalkit.importing.pack import LayoutName, Mode, Pack, PackVideo
from wtalkit.importing.planning import Planned, plan, tried, with_streams_joined
from wtalkit.importing.presets import OWN_RATE, preset_of
from wtalkit.importing.report import IMPORT_FILE, Disagreement, How, ImportResult
from wtalkit.importing.truth import Truth, truth_of
from wtalkit.inputs import Failure
from wtalkit.places import require_folder
from wtalkit.project import Project
from wtalkit.status import StatusFile, VideoStatus, read_status


def import_pack(
    packs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] = "feats",
    *,
    layout: LayoutName | None = None,
    preset: str | None = None,
    dataset: str | None = None,
    annotations: str | os.PathLike[str] | None = None,
    mode: Mode = "auto",
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
    project: Project | None = None,
) -> ImportResult:
    """Make a features folder and annotations of feature packs, so that train, detect and evaluate need nothing else.

    A video whose features are there, whole and of the same pack, is skipped. Arrays are linked where the pack's file is
    what a features folder holds, and else copied a few rows at a time. What became of each video is in
    ``out/status.jsonl``, and everything in which the packs differ from the ground truth, their preset or themselves in
    ``out/import.json``. Annotations are written to ``annotations.json`` beside ``out`` if the project has none.

    Args:
        packs: files and folders, all of one layout.
        out: the features folder.
        layout: of the packs; found out when None.
        preset: name of the spec of the features; chosen by layout and data set when None.
        dataset: built-in data set that the packs are of; recognised by the names of their videos when None.
        annotations: ground truth to take instead of a built-in one or the packs' own.
        mode: ``auto`` links or copies, ``link`` never copies, ``copy`` never links.
        overwrite: import also what is there, of whatever spec.
        dry_run: look at everything, write nothing.
        progress: told videos done and videos in all.
        project: that the features are of; by default the folder that ``out`` lies in.

    Raises:
        FeaturesError: a pack is missing, damaged or of no known layout, or ``out`` holds features of another spec.
        AnnotationsError: annotations are damaged, or know none of the videos.
        ConfigError: options that do not fit together, or a preset that is to be named.
        MachineError: the disk is full or the folder read-only, or a package is missing.
    """
    if dataset is not None and annotations is not None:
        raise ConfigError("--annotations and --dataset exclude each other")
    paths = [Path(packs)] if isinstance(packs, str | os.PathLike) else [Path(path) for path in packs]
    folder = Path(out)
    project = project or Project.load(folder.parent)
    with _opened(paths, layout) as opened:
        videos = with_streams_joined(opened)
        truth = truth_of(opened, videos, dataset, None if annotations is None else Path(annotations))
        name, spec = preset_of(opened[0].layout, truth.dataset, _widths(videos), preset, paths[0])
        rates = _rates(opened, truth) if name in OWN_RATE else None
        planned, failed = plan(videos, truth, spec, folder, rates)
        result = ImportResult(
            folder, tuple(paths), opened[0].layout, name, spec, truth.dataset, truth.source, dry_run=dry_run,
            disagreements=_disagreements(opened, videos, planned, truth, spec),
            notes=tuple(note for pack in opened for note in pack.notes),
        )  # fmt: skip
        if dry_run:
            result = _with_annotations(result, truth, project, write=False)
            done: dict[str, How] = {each.key: "linked" if _links(each, mode) else "copied" for each in planned}
            return replace(result, done=done, failed=tuple(failed.values()))
        _prepare(folder, spec, overwrite=overwrite)
        result = _bring_all(result, planned, failed, mode, overwrite=overwrite, progress=progress)
        result = _with_annotations(result, truth, project, write=True)
        atomic.write_text(folder / IMPORT_FILE, to_text(result.to_dict()))
        return result


@contextmanager
def _opened(paths: Sequence[Path], layout: LayoutName | None) -> Iterator[list[Pack]]:
    """The packs, open as long as the block lasts."""
    if not paths:
        raise ConfigError("no pack is named")
    packs: list[Pack] = []
    try:
        for path in paths:
            packs.append(open_pack(path, layout))
        if len({pack.layout for pack in packs}) > 1:
            kinds = ", ".join(f"{pack.path} is {pack.layout}" for pack in packs)
            raise ConfigError(f"packs of different layouts go to different folders: {kinds}")
        if not any(pack.videos for pack in packs):
            raise FeaturesError("holds no features", file=paths[0])
        yield packs
    finally:
        for pack in packs:
            pack.close()


def _widths(videos: Sequence[PackVideo]) -> Iterator[int]:
    """Of the arrays that can be looked at; what is wrong with the others is told when they come up."""
    for video in videos:
        with suppress(InputError):
            yield video.rows.shape[1]


def _rates(packs: Sequence[Pack], truth: Truth) -> dict[str, float]:
    """Own frame rate of each video, as its pack states it, else as the ground truth does."""
    stated = {truth.keys[name]: fps for pack in packs for name, fps in pack.fps.items()}
    known = {key: fps for key in set(truth.keys.values()) if (fps := truth.fps(key)) is not None}
    return {**known, **stated}


def _disagreements(
    packs: Sequence[Pack], videos: Sequence[PackVideo], planned: Sequence[Planned], truth: Truth, spec: FeatureSpec
) -> tuple[Disagreement, ...]:
    """All that can be told before the numbers are read, each once."""
    found = [*length_disagreements({each.key: each.length for each in planned if each.length}, spec.timeline)]
    found += [each for video in planned for each in video.odd]
    for pack in packs:
        found += list_disagreements(pack, truth.keys, truth.annotations, truth.subsets)
    if truth.annotations is not None:
        stated = {truth.keys[name]: fps for pack in packs for name, fps in pack.fps.items()}
        found += rate_disagreements(stated, truth.annotations, truth.dataset)
        if truth.own is not None and truth.own is not truth.annotations:
            found += annotation_disagreements(truth.own, truth.annotations)
        held = {truth.keys[video.name] for video in videos}
        found += coverage_disagreements(held, truth.annotations, set(truth.subsets.values()))
    found += truth.odd
    return tuple({(each.kind, each.video, each.video or each.text): each for each in reversed(found)}.values())[::-1]


def _links(video: Planned, mode: Mode) -> bool:
    return mode != "copy" and video.rows.linkable is not None


def _prepare(folder: Path, spec: FeatureSpec, *, overwrite: bool) -> None:
    """Make sure that the folder can take the features."""
    require_folder(folder, "features need", error=FeaturesError)
    if folder.is_dir():
        atomic.sweep(folder)
        if not overwrite:
            require_no_other_spec(folder, spec, "Use another --out, or --overwrite to import them again")


def _bring_all(
    result: ImportResult,
    planned: Sequence[Planned],
    failed: dict[str, Failure],
    mode: Mode,
    *,
    overwrite: bool,
    progress: Callable[[int, int], None] | None,
) -> ImportResult:
    """Import video after video, each with its line in the status file."""
    ledger = _Ledger(result.out)
    done: dict[str, How] = {}
    skipped: list[str] = []
    odd: list[Disagreement] = []
    statuses: list[VideoStatus] = []
    with ledger.closing():
        for key, failure in failed.items():
            statuses.append(ledger.enter(VideoStatus.of_failure(key, failure, result.spec)))
        for number, video in enumerate(planned, start=1):
            record = None if overwrite else _there(result.out, video)
            if record is None:
                found = tried(video.key, video.path, partial(_brought, result.out, video, mode))
            else:
                found = None
                skipped.append(video.key)
            if isinstance(found, Failure):
                failed[video.key] = found
                statuses.append(ledger.enter(VideoStatus.of_failure(video.key, found, result.spec)))
            else:
                if found is not None:
                    record, done[video.key] = found
                assert record is not None
                if ALL_ZERO in record.warnings:
                    odd.append(Disagreement("features", ALL_ZERO, video.key))
                statuses.append(ledger.enter(VideoStatus.of_features(video.key, video.path, record)))
            if progress is not None:
                progress(number, len(planned))
    return replace(
        result, done=done, skipped=tuple(skipped), failed=tuple(failed.values()), statuses=tuple(statuses),
        disagreements=(*result.disagreements, *odd),
    )  # fmt: skip


def _brought(folder: Path, video: Planned, mode: Mode) -> tuple[FeatureRecord, How]:
    try:
        return bring(folder, video.key, video.rows, video.record, mode)
    except atomic.Busy as error:
        raise InputError("another process is importing it", file=video.path) from error


def _there(folder: Path, video: Planned) -> FeatureRecord | None:
    """The record of the video's features if these are there, whole, and came of the very same file of a pack."""
    array_path, record_path = feature_paths(folder, video.key)
    if not (array_path.exists() and record_path.exists()):
        return None
    try:
        record = read_features(array_path).record
    except InputError:
        return None
    unnoted = {"array_sha256": None, "warnings": ()}
    if record is None or record.model_copy(update=unnoted) != video.record.model_copy(update=unnoted):
        return None
    return record if set(video.record.warnings) <= set(record.warnings) else None


class _Ledger:
    """Keeps what became of each video in the folder's status file; what is there already is not written again."""

    def __init__(self, folder: Path) -> None:
        self._file = StatusFile(folder)
        self._known = read_status(folder)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Within it the file is written to, at its end it is put in order."""
        try:
            yield
        except BaseException:
            with suppress(MachineError):  # what was wrong first is what counts
                self._file.tidy()
            raise
        self._file.tidy()

    def enter(self, status: VideoStatus) -> VideoStatus:
        if self._known.get(status.video) != status:
            self._file.add(status)
        return status


def _with_annotations(result: ImportResult, truth: Truth, project: Project, *, write: bool) -> ImportResult:
    """The project's annotations: those that are there, else the ground truth, written beside the features folder."""
    path = project.annotations
    text = None if truth.annotations is None else to_text(truth.annotations.to_activitynet())
    if not path.exists():
        if write and text is not None:
            atomic.write_text(path, text)
        return replace(result, annotations=None if text is None else path, annotations_written=text is not None)
    notes = list(result.notes)
    if text is not None and not (path.is_file() and path.read_bytes() == text.encode()):
        notes.append(f"{path} was there and is left as it is; the ground truth of the pack is: {truth.source}")
    return replace(result, annotations=path, notes=tuple(notes))
