"""Where the contents of a report come from: a predictions file, or detections with the curves behind them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit.errors import PredictionsError
from wtalkit.inputs import FEATURES_SUFFIX, VIDEO_SUFFIXES, Failure
from wtalkit.report.contents import Report, ReportVideo
from wtalkit.segments import Detections, Segment

if TYPE_CHECKING:
    from wtalkit.annotations import Annotations
    from wtalkit.localizer import Curves


def from_detections(
    results: Iterable[Detections],
    *,
    candidates: Mapping[str, Sequence[Segment]] | None = None,
    curves: Mapping[str, Curves] | None = None,
    threshold: float | None = None,
    everything: bool = False,
    failures: Sequence[Failure] = (),
    warnings: Sequence[str] = (),
    videos: Path = Path(),
) -> Report:
    """The report of what a detector found.

    Args:
        results: of ``Show(everything=True)``, so that the page can lower its threshold; of any other what was shown.
        candidates: ``detector.judged``; with it ``results`` may be of any ``Show``: what each shows is shown first.
        curves: ``detector.curves``.
        threshold: least score shown at first; None takes the one a result was made with, else the model's own.
        everything: keep candidates that overlap a better one of their class, and show all at first.
        failures: inputs that could not be worked on.
        warnings: what concerns all videos.
        videos: where the videos of feature files may lie.
    """
    found = list(results)
    judged = candidates or {}
    model = found[0].model if found else {}
    own = model.get("display_threshold")
    shown = tuple(
        ReportVideo(
            key=each.key,
            candidates=_candidates(judged.get(each.key, each.segments), everything),
            duration_s=each.duration_s,
            threshold=each.threshold
            if each.key in judged
            else _first_shown(threshold, everything, each.threshold, own),
            path=find_video(each.key, each.path, [videos]),
            curves=(curves or {}).get(each.key),
            status=each.status,
            warnings=tuple(warning for warning in each.warnings if warning not in warnings),
            gaps=each.gaps,
            cut_at=None if each.key in judged else each.threshold,
        )
        for each in found
    )
    spec = found[0].spec if found else {}
    return Report(_title(shown), shown, model, spec, tuple(failures), tuple(warnings))


def from_predictions(
    path: str | os.PathLike[str],
    *,
    threshold: float | None = None,
    everything: bool = False,
    videos: Path = Path(),
) -> Report:
    """The report of a predictions file; it has no curves.

    Args:
        path: the file, of ``detect --out`` or of the ActivityNet results schema.
        threshold: least score shown at first; None takes the one the file says the video's predictions were made
            with, else the model's own where the file names it. Scores for ``--label`` are relative to their video, so
            the model's own means nothing to them: without a recorded threshold they are all shown.
        everything: keep candidates that overlap a better one of their class, and show all at first.
        videos: where the videos may lie, beside where the file says and the folder it lies in.

    Raises:
        PredictionsError: the file cannot be used, or names no video.
    """
    from wtalkit.evaluation import load_predictions

    path = Path(path)
    document = load_predictions(path)
    if not document["results"]:
        raise PredictionsError("names no video", file=path, remedy="Write it with wtalkit detect VIDEO --all --out")
    external = _object(document.get("external_data"))
    model, show = _object(external.get("model")), _object(external.get("show"))
    is_whole = show.get("all") is True and show.get("threshold") is None
    own = _number(model.get("display_threshold")) if show.get("label") is None else None
    videos_facts = _object(external.get("videos"))
    shown = []
    for key, entries in document["results"].items():
        facts = _object(videos_facts.get(key))
        first = _first_shown(threshold, everything, _number(facts.get("threshold")), own)
        shown.append(_predicted(key, entries, facts, first, is_whole, everything, [path.parent, videos]))
    failures = tuple(
        Failure(str(each.get("path")), str(each.get("cause")))
        for each in _list(external.get("failures"))
        if isinstance(each, Mapping)
    )
    return Report(_title(shown), tuple(shown), model, _object(external.get("spec")), failures)


def with_truth(report: Report, truth: Annotations) -> Report:
    """The report with what is annotated in its videos, for those that the annotations say something of."""
    return replace(
        report,
        videos=tuple(
            replace(video, truth=tuple(known.segments))
            if (known := truth.videos.get(video.key)) is not None and (known.segments or not known.labels)
            else video
            for video in report.videos
        ),
    )


def find_video(key: str, path: str | None, folders: Iterable[Path]) -> Path | None:
    """The file of a video: ``path`` where it was read from, else a video of this name in one of the folders.

    Args:
        key: the video's name; one that would leave a folder finds nothing.
        path: as recorded, relative to here or to the folders; a feature file is no video.
        folders: searched in order.
    """
    from wtalkit.annotations.names import unsafe_key

    folders = list(folders)
    if path and "\0" not in path and Path(path).suffix.lower() != FEATURES_SUFFIX:
        for candidate in (Path(path), *(folder / path for folder in folders)):
            if _is_file(candidate):
                return candidate
    if unsafe_key(key) is not None:
        return None
    names = [key, *(key + suffix for suffix in sorted(VIDEO_SUFFIXES))]
    there = (folder / name for folder in folders for name in names)
    return next((each for each in there if each.suffix.lower() in VIDEO_SUFFIXES and _is_file(each)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or that no file system could hold
        return False


def _first_shown(asked: float | None, everything: bool, recorded: float | None, own: float | None) -> float | None:
    """The least score shown at first: what is asked for, else what was shown when it was made, else the model's."""
    return asked if asked is not None or everything else _first(recorded, own)


def _predicted(
    key: str,
    entries: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    threshold: float | None,
    is_whole: bool,
    everything: bool,
    folders: list[Path],
) -> ReportVideo:
    given = facts.get("path")
    path = find_video(key, given if isinstance(given, str) else None, folders)
    stated_s = _number(facts.get("duration"))
    if stated_s is None or stated_s <= 0:
        stated_s = None if path is None else _length_s(path)
    segments, odd = _segments(entries, stated_s)
    warnings = [str(each) for each in _list(facts.get("warnings"))]
    if odd:
        warnings.append(f"{odd} of {len(entries)} predictions have no usable time or score and are left out")
    last_s = max((segment.end_s for segment in segments), default=1.0)
    lowest = min((segment.score for segment in segments), default=None)
    return ReportVideo(
        key=key,
        candidates=_candidates(segments, everything),
        duration_s=last_s if stated_s is None else stated_s,
        threshold=threshold,
        path=path,
        status="partial" if facts.get("status") == "partial" else "ok",
        warnings=tuple(warnings),
        gaps=tuple((float(start), float(end)) for start, end in _pairs(facts.get("gaps"))),
        cut_at=None if is_whole or not facts else _first(_number(facts.get("threshold")), lowest),
    )


def _candidates(segments: Iterable[Segment], everything: bool) -> tuple[Segment, ...]:
    """What the page can show, sorted by start.

    Suppression takes the best first, so what a threshold leaves of its outcome is the outcome for that threshold: the
    page only has to compare scores.
    """
    from wtalkit.localization import display

    if not everything:
        return tuple(display(segments, None))
    return tuple(sorted(segments, key=lambda each: (each.start_s, each.end_s, each.label, -each.score)))


def _segments(entries: Iterable[Mapping[str, Any]], duration_s: float | None) -> tuple[list[Segment], int]:
    """The usable ones, cut at the ends of the video, and how many are not usable."""
    from wtalkit.evaluation.predictions import number_of

    segments, odd = [], 0
    limit_s = math.inf if duration_s is None else duration_s
    for entry in entries:
        start_s, end_s, score = (number_of(each) for each in (*entry["segment"], entry["score"]))
        assert start_s is not None and end_s is not None and score is not None  # the schema was checked
        try:
            segments.append(Segment(max(0.0, start_s), min(end_s, limit_s), entry["label"], score))
        except ValueError:
            odd += 1
    return segments, odd


def _length_s(path: Path) -> float | None:
    from wtalkit.video import Decoder

    decoder = Decoder()
    try:
        return decoder.length_s(path)
    finally:
        decoder.close()


def _title(videos: Sequence[ReportVideo]) -> str:
    return videos[0].key if len(videos) == 1 else f"{len(videos)} videos"


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's integers have no end
        return None
    return number if math.isfinite(number) else None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _pairs(value: Any) -> list[tuple[float, float]]:
    numbers = [tuple(map(_number, pair)) for pair in _list(value) if isinstance(pair, list) and len(pair) == 2]
    return [(start, end) for start, end in numbers if start is not None and end is not None]
