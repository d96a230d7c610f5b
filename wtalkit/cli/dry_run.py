"""What ``--dry-run`` says of a job."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.cli.terminal import Terminal, clock, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtalkit.detector import Detector
    from wtalkit.extraction import VideoFeaturizer
    from wtalkit.forecast import Forecast
    from wtalkit.inputs import Failure, Input


def of_extraction(
    terminal: Terminal,
    featurizer: VideoFeaturizer,
    found: Sequence[Input],
    failures: Sequence[Failure],
    *,
    out: Path,
    overwrite: bool,
) -> int:
    """What extracting features would take; gives the exit code."""
    from wtalkit.forecast import forecast

    with closing(featurizer), terminal.status("measuring"):
        known = forecast(found, featurizer, failures=failures, out=out, overwrite=overwrite)
    return show(terminal, known, out=out)


def of_detection(terminal: Terminal, detector: Detector, found: Sequence[Input], failures: Sequence[Failure]) -> int:
    """What detecting would take, nearly all of which is extraction; gives the exit code."""
    from wtalkit.forecast import Forecast, forecast

    videos = [each for each in found if each.kind == "video"]
    if videos:
        with closing(detector), terminal.status("measuring"):
            known = forecast(videos, detector.featurizer, failures=failures)
    else:  # no backbone is needed, and it may not be to be had
        known = Forecast((), tuple(failures), None, 0.0, 0, None, "cpu")
    return show(terminal, known, feature_files=len(found) - len(videos))


def show(terminal: Terminal, found: Forecast, *, out: Path | None = None, feature_files: int = 0) -> int:
    """Show a forecast, as JSON where stdout belongs to it; gives the exit code.

    Args:
        terminal: where to.
        found: the forecast.
        out: where features would be written; None where none are.
        feature_files: inputs that are features already.
    """
    code = 1 if found.failures else 0
    if terminal.json:
        terminal.document(json.dumps(found.to_dict(), indent=1))
        return code
    for key, text in _rows(found, out, feature_files):
        terminal.write(f"{key:<6}  {text}")
    if found.unknown:
        some = count(found.unknown, "video says", "videos say")
        terminal.warn(f"{some} not how long it is; counted as long as the others on average")
    if out is not None and found.bytes is not None and found.free_bytes is not None and found.bytes > found.free_bytes:
        terminal.warn(f"the features need more than is free in {out}")
    terminal.next_step("A dry run: no features and no answers were written. Next: the same command without --dry-run")
    return code


def _rows(found: Forecast, out: Path | None, feature_files: int) -> list[tuple[str, str]]:
    to_do = found.to_do
    work = count(len(to_do), "video")
    if found.duration_s is not None and found.frames is not None:
        work += f", {clock(found.duration_s)} of video, {found.frames:,} frames after resampling"
    already = len(found.videos) - len(to_do)
    work += f"; {already} already there" if already else ""
    work += f"; {count(feature_files, 'feature file')} besides, which take a moment" if feature_files else ""
    work += f"; {count(len(found.failures), 'input')} not there" if found.failures else ""
    if found.seconds is None:
        took = "unknown: nothing could be measured"
    elif not to_do:
        took = "nothing to do"
    else:
        took = (
            f"about {clock(found.seconds)} on {found.device}: "
            f"{found.frames_per_s:,.0f} frames/s, measured in {found.trial_s:.0f} s on the first videos"
        )
    rows = [("work", work), ("time", took)]
    if out is not None and found.bytes is not None and found.free_bytes is not None:
        free = f"{found.free_bytes / 1e9:,.1f} GB are free"
        rows.append(("disk", f"about {_size(found.bytes)} of features in {out}; {free}"))
    return rows


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
