"""``wtalkit export``: an answer of ``detect`` as files for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.cutting import ClipMode, ClipModeOption, Clips, Cutting, OverlayOption
from wtalkit.cli.options import (
    MAX_FPS,
    MAX_HOURS,
    MAX_MEMORY,
    MAX_PIXELS,
    MAX_STREAMS,
    Debug,
    Formats,
    MaxFps,
    MaxHours,
    MaxMemory,
    MaxPixels,
    MaxStreams,
    Quiet,
    Verbose,
    check_threshold,
)
from wtalkit.cli.terminal import Terminal, count
from wtalkit.errors import PredictionsError, UsageError
from wtalkit.inputs import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtalkit.export import Answer, Format
    from wtalkit.export.footage import FootageFolder


def command(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="What detect --out wrote: a file, or a folder of answers.")
    ],
    format: Formats = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A file for one video, or for a format that holds several; else a folder. Default: printed.",
            show_default=False,
        ),
    ] = None,
    video: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="The videos, or their folder, for frame rates and to cut. Default: where they were.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[float | None, typer.Option(metavar="X", help="Least score.", show_default=False)] = None,
    classes: Annotated[str | None, typer.Option(metavar="A,B", help="Only these actions.", show_default=False)] = None,
    clips: Clips = None,
    clip_mode: ClipModeOption = ClipMode.copy,
    overlay: OverlayOption = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    max_fps: MaxFps = MAX_FPS,
    max_hours: MaxHours = MAX_HOURS,
    max_streams: MaxStreams = MAX_STREAMS,
    max_memory: MaxMemory = MAX_MEMORY,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Write what was found in the formats of other tools, or cut it out of the videos."""
    from wtalkit.export import answer_of
    from wtalkit.export.footage import FootageFolder
    from wtalkit.export.reading import read_predictions
    from wtalkit.inputs import gather
    from wtalkit.video import Limits

    limits = Limits(max_pixels, max_fps, max_hours, max_streams, max_memory)
    formats = wanted_formats(format, out)
    check_threshold(threshold)
    if not formats and clips is None and overlay is None:
        raise UsageError("there is nothing to do without a --format, --clips or --overlay", file=predictions)
    prints = bool(formats) and out is None
    terminal = Terminal(quiet=quiet, verbose=verbose, json=prints)
    document = read_predictions(predictions)
    names = None if classes is None else _known(classes, document["results"])
    answer, odd = answer_of(document, threshold=threshold, classes=names)
    given, missing = gather(video or ())
    if missing:
        raise UsageError(missing[0].cause, file=missing[0].path)
    several = len(answer.videos) > 1
    named = len(given) == 1 and len(video or ()) == 1 and given[0].path == (video or [Path()])[0]
    footage = FootageFolder(given, alone=named and not several, limits=limits)
    cutting = Cutting(terminal, clips, clip_mode, overlay, several, limits)
    if not answer.videos and any(not each.several for each in formats):
        raise PredictionsError("holds no video", file=predictions)
    if prints:
        check_printable(formats, several)
    read = [*_sources(predictions), *(path for each in answer.videos if (path := footage.path(each.key, each.path)))]
    cutting.require_apart(read)
    if odd:
        terminal.warn(
            f"{predictions}: {count(odd, 'entry', 'entries')} left out that are no segments (NaN, or no length)"
        )
    failures, said = _write(answer, formats, out, footage, terminal, read)
    if cutting:
        found = [(footage.path(each.key, each.path), each) for each in answer.videos]
        for path, each in found:
            if path is None:
                failures.append(
                    Failure(each.path or each.key, "the video is not there. Name it or its folder with --video")
                )
                terminal.fail(f"{failures[-1].path}: {failures[-1].cause}")
        cutting.run([(path, each) for path, each in found if path is not None])
    segments = sum(len(each.segments) for each in answer.videos)
    text = f"{count(segments, 'segment')} of {count(len(answer.videos), 'video')}"
    if done := [*said, *cutting.made]:
        text += f": {', '.join(done)}"
    if failures or cutting.failures:
        text += f"; {count(len(failures) + len(cutting.failures), 'file')} failed"
    terminal.next_step(f"{text}.")
    return 1 if failures or cutting.failures else 0


def wanted_formats(names: list[str] | None, out: Path | None) -> tuple[Format, ...]:
    """The formats named, else the one that the name of ``out`` ends with."""
    from wtalkit.export import checked_formats, format_of

    if not names and out is not None and not out.is_dir() and (meant := format_of(out)) is not None:
        names = [meant.name]
    return checked_formats(names or ())


def check_printable(formats: tuple[Format, ...], several: bool) -> None:
    """Make sure that stdout can take it all.

    Raises:
        UsageError: it takes one file.
    """
    if len(formats) > 1:
        raise UsageError("several formats are not printed one after the other", remedy="Name a folder with --out")
    if several and not formats[0].several:
        raise UsageError(
            f"a {formats[0].suffix} file holds one video, and these are several", remedy="Name a folder with --out"
        )


def _sources(predictions: Path) -> list[Path]:
    return sorted(predictions.rglob("*.json")) if predictions.is_dir() else [predictions]


def _known(classes: str, results: dict[str, list[dict[str, str]]]) -> frozenset[str]:
    from wtalkit.suggest import remedy

    names = frozenset(name.strip() for name in classes.split(","))
    labels = {entry["label"] for entries in results.values() for entry in entries}
    for name in sorted(names - labels):
        raise UsageError(f"no segment is labelled {name!r}", remedy=remedy(name, labels))
    return names


def _write(
    answer: Answer,
    formats: tuple[Format, ...],
    out: Path | None,
    footage: FootageFolder,
    terminal: Terminal,
    read: Sequence[Path],
) -> tuple[list[Failure], list[str]]:
    """Write or print the formats; gives what failed, and what the last line says of the rest."""
    from wtalkit.errors import InputError
    from wtalkit.export.writing import place, text_of, write_targets
    from wtalkit.places import require_apart

    if not formats:
        return [], []
    if out is None:
        try:
            text, remarks = text_of(answer, formats[0], lambda each: footage.look(each.key, each.path))
        except InputError as error:
            failure = Failure.of(error.file or "", error)
            terminal.fail(f"{failure.path}: {failure.cause}")
            return [failure], []
        terminal.document(text)
        for remark in remarks:
            terminal.remark(f"{formats[0].name}: {remark}")
        return [], []
    targets, failures = place(formats, [each.key for each in answer.videos], out)
    for target in targets:
        require_apart(target.path, read)
    paths, told, failed = write_targets(answer, targets, lambda each: footage.look(each.key, each.path))
    for remark in told:
        terminal.remark(remark)
    for failure in (*failures, *failed):
        terminal.fail(f"{failure.path}: {failure.cause}")
    said = [str(out)] if paths == [out] else [f"{count(len(paths), 'file')} in {out}"]
    return [*failures, *failed], said if paths else []
