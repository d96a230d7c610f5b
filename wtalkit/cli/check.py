"""``wtalkit check``: a data set, before days are spent on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import (
    MAX_FPS,
    MAX_HOURS,
    MAX_MEMORY,
    MAX_PIXELS,
    MAX_STREAMS,
    TIMEOUT_S,
    AnnotationsFile,
    AssumeSpec,
    Debug,
    Json,
    MaxFps,
    MaxHours,
    MaxMemory,
    MaxPixels,
    MaxStreams,
    Quiet,
    Timeout,
    Verbose,
)
from wtalkit.cli.terminal import Terminal, clock, count, stderr_console

if TYPE_CHECKING:
    from wtalkit.checking import CheckedVideo, Files, Report
    from wtalkit.cli.progress import VideoProgress
    from wtalkit.inputs import Input
    from wtalkit.project import Project

_MOST_ROWS = 30
_MOST_FINDINGS = 100


def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Videos, .npy feature files, and folders of either, and nothing else. Default: all of this folder.",
            show_default=False,
        ),
    ] = None,
    annotations: AnnotationsFile = None,
    features: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of features. Default: feats.", show_default=False)
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of videos. Default: videos.", show_default=False)
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="D",
            help="Labels of a data set that wtalkit knows: thumos14, activitynet1.2, activitynet1.3.",
            show_default=False,
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Open files without decoding the videos and reading the features.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Videos at once. Default: as many as there are cores.", min=1)
    ] = None,
    assume_spec: AssumeSpec = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    max_fps: MaxFps = MAX_FPS,
    max_hours: MaxHours = MAX_HOURS,
    max_streams: MaxStreams = MAX_STREAMS,
    max_memory: MaxMemory = MAX_MEMORY,
    timeout: Timeout = TIMEOUT_S,
    json: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Check videos, features and labels before they are worked with.

    Every frame is decoded, every array is read, labels are held against both. Without arguments it is all that this
    folder has, or wtalkit.toml names. Exit code 1: files failed; 2: labels, splits or features do not fit together.
    """
    from wtalkit.answer import to_text
    from wtalkit.backbones.specs import get_spec
    from wtalkit.checking import Files, check
    from wtalkit.cli.progress import VideoProgress
    from wtalkit.errors import ConfigError
    from wtalkit.features import preset
    from wtalkit.project import Project
    from wtalkit.video import Limits

    if annotations is not None and dataset is not None:
        raise ConfigError("--annotations and --dataset exclude each other")
    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    project = Project.load()
    own = project.settings if dataset is None else None  # which subsets it names are those of its own annotations
    if not (paths or videos or features):
        videos = project.videos if project.videos.is_dir() else None
        features = project.features if project.features.is_dir() else None
    if annotations is None and dataset is None and not paths:
        dataset = project.settings.dataset
        annotations = _annotations(project) if dataset is None else None
    files = Files.of(paths or (), videos=videos, features=features)
    with VideoProgress(terminal, len(files.videos)) as bars, _counted(terminal) as read:
        try:
            report = check(
                files, annotations=annotations, dataset=dataset,
                train_subset=None if own is None else own.train_subset,
                test_subset=None if own is None else own.test_subset,
                assume=None if assume_spec is None else preset(assume_spec), fast=fast, workers=workers,
                timeline=get_spec(project.settings.backbone or "i3d").timeline,
                limits=Limits(max_pixels, max_fps, max_hours, max_streams, max_memory), timeout_s=timeout,
                started=bars.start, progress=bars.update, finished=partial(_show_one, bars), read=read,
            )  # fmt: skip
        except KeyboardInterrupt:
            terminal.fail(f"stopped: {bars.through} of {count(len(files.videos), 'video')} were looked at.")
            return 130
    if json:
        terminal.document(to_text(report.to_dict()))
    else:
        _show(terminal, report)
    _tell(terminal, report)
    terminal.next_step(f"{_summary(report)}. Next: {_next(report, files, whole=not paths)}")
    return report.exit_code


def _annotations(project: Project) -> Path | None:
    """The project's labels, if it has any, or says that it has."""
    named = project.annotations
    return named if named.exists() or project.settings.annotations is not None else None


@contextmanager
def _counted(terminal: Terminal) -> Iterator[Callable[[int], None]]:
    """A function to be told how many arrays were read, which shows it where something can move."""
    if not terminal.live:
        yield lambda number: None
        return
    status = stderr_console().status("")

    def read(number: int) -> None:
        status.update(f"{count(number, 'array')} read")
        status.start()

    try:
        yield read
    finally:
        status.stop()


def _show_one(bars: VideoProgress, video: Input, checked: CheckedVideo) -> None:
    """What became of one video."""
    if checked.state in ("whole", "opened"):
        bars.done(video, checked.duration_s)
    else:
        bars.failed(video, f"{video.path}: {checked.cause}")


def _show(terminal: Terminal, report: Report) -> None:
    """Tables of the videos, all with --verbose and else the odd ones, and of the classes."""
    if terminal.quiet:
        return
    odd = [video for video in report.videos if video.state != "whole" or video.variable_rate or video.warnings]
    odd = [video for video in odd if video.state != "opened" or video.warnings]
    rows = [_row(video) for video in (report.videos if terminal.verbose else odd[:_MOST_ROWS])]
    if rows:
        terminal.write()
        terminal.table(("video", "state", "length", "fps", "size", "remarks"), rows, right=(2, 3))
    if len(odd) > _MOST_ROWS and not terminal.verbose:
        terminal.write(f"and {len(odd) - _MOST_ROWS} more, see --verbose or --json")
    if report.classes:
        terminal.write()
        _show_classes(terminal, report)


def _row(video: CheckedVideo) -> tuple[str, ...]:
    rate = "" if video.fps is None else f"{video.fps:.4g}{' (varies)' if video.variable_rate else ''}"
    return (
        video.key,
        video.state,
        "" if video.duration_s is None else clock(video.duration_s),
        rate,
        "" if video.width is None else f"{video.width}x{video.height}",
        "; ".join(dict.fromkeys(filter(None, (video.cause, *video.warnings)))),
    )


def _show_classes(terminal: Terminal, report: Report) -> None:
    """Videos of each class by subset; of very many classes the rarest."""
    subsets = list(next(iter(report.classes.values())))
    rows = [(label, *map(str, counts.values())) for label, counts in report.classes.items()]
    if len(rows) > _MOST_ROWS and not terminal.verbose:
        rows = sorted(rows, key=lambda row: sum(map(int, row[1:])))[:_MOST_ROWS]
    header = ("class", *(name or "videos" for name in subsets))
    terminal.table(header, rows, right=range(1, len(header)))
    if len(rows) < len(report.classes):
        terminal.write(f"and {len(report.classes) - len(rows)} more with as many videos or more, see --verbose")


def _tell(terminal: Terminal, report: Report) -> None:
    """What is to be mended, and what is to be known, with files and lines."""
    for failure in report.failures:
        terminal.fail(f"{failure.path}: {failure.cause}")
    for each in report.features:
        if each.state == "failed":
            terminal.fail(f"{each.path}: {each.cause}")
    for finding in report.problems[:_MOST_FINDINGS]:
        terminal.fail(f"problem: {finding}")
    for finding in report.warnings[:_MOST_FINDINGS]:
        terminal.warn(str(finding))
    more = sum(max(0, len(each) - _MOST_FINDINGS) for each in (report.problems, report.warnings))
    if more:
        terminal.remark(f"and {more} more, all of them with --json")


def _summary(report: Report) -> str:
    broken = {each.path for each in report.failed}
    parts = []
    if report.videos:
        length_s = sum(video.duration_s or 0.0 for video in report.videos)
        parts.append(f"{count(len(report.videos), 'video')} of {clock(length_s)} in all")
    if report.features:
        parts.append(count(len(report.features), "array") + " of features")
    if report.annotations is not None:
        parts.append(f"labels of {count(report.annotations['videos'], 'video')}")
    failed = len(broken) + len(report.failures)
    parts.append(f"{failed} failed" if failed else "none failed")
    parts.append(f"{count(len(report.problems), 'problem')}, {count(len(report.warnings), 'warning')}")
    return ", ".join(parts)


def _next(report: Report, files: Files, *, whole: bool) -> str:
    if report.exit_code:
        return "mend what is named above, then check again"
    if report.annotations is None and whole:
        return "write what happens in each video to labels.csv (video,label), then check again"
    if report.annotations is None:
        return "wtalkit extract PATH --out feats/" if files.videos else "wtalkit detect FEATURES"
    return "wtalkit train --method clasnet" if report.features else "wtalkit extract videos/ --out feats/"
