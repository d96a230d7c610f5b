"""``wtalkit report``: one HTML file to look at what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import (
    AssumeSpec,
    Debug,
    Device,
    DeviceName,
    GroundTruth,
    Model,
    Offline,
    Proposals,
    Quiet,
    Verbose,
    check_threshold,
)
from wtalkit.cli.terminal import Terminal, count
from wtalkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wtalkit.annotations import Annotations
    from wtalkit.detector import Detector
    from wtalkit.inputs import Failure, Input
    from wtalkit.project import Project
    from wtalkit.report import Report
    from wtalkit.segments import Detections

_PREDICTIONS = (".json", ".json.gz")
MOST_THUMBNAILS = 300


def command(
    given: Annotated[
        list[Path],
        typer.Argument(
            metavar="PREDICTIONS|INPUT...",
            help="One predictions file of detect --all --out; or videos, folders and .npy feature files to detect in.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The HTML file.")],
    ground_truth: GroundTruth = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Put the videos into the page, up to 64 MiB, instead of linking them.")
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(metavar="X", help="Where the slider starts, in place of the model's own threshold.")
    ] = None,
    all: Annotated[
        bool, typer.Option("--all", help="Show every scored candidate, those that overlap better ones too.")
    ] = False,
    thumbnails: Annotated[
        int, typer.Option(metavar="N", min=0, help="Pictures at the starts of segments, in all; 0 for none.")
    ] = MOST_THUMBNAILS,
    model: Model = None,
    device: Device = DeviceName.auto,
    offline: Offline = False,
    assume_spec: AssumeSpec = None,
    proposals: Proposals = None,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Make a page to look at: player, timeline, score curves, table.

    A predictions file gives a page at once, without curves. Videos and feature files are run through the model first.
    """
    from wtalkit.places import require_apart, require_file
    from wtalkit.project import Project
    from wtalkit.report import from_predictions

    terminal = Terminal(quiet=quiet, verbose=verbose)
    require_file(out)
    check_threshold(threshold)
    project = Project.load()
    require_apart(out, [*given, *([] if ground_truth is None else [ground_truth])])
    truth = load_truth(terminal, ground_truth, project)
    files = [each for each in given if each.name.lower().endswith(_PREDICTIONS)]
    if files and len(given) > 1:
        raise UsageError(f"{files[0]}: a page shows one predictions file", remedy="Give it alone, or give videos only")
    if files:
        if model is not None:
            raise UsageError("--model goes with videos, these predictions are made", remedy="Leave it out")
        report = from_predictions(files[0], threshold=threshold, everything=all, videos=project.videos)
        failed, stopped = 0, False
    else:
        report, failed, stopped = _detected(
            terminal, project, given, threshold=threshold, everything=all, model=model, device=device.value,
            offline=offline, assume_spec=assume_spec, proposals=proposals, out=out,
        )  # fmt: skip
        if stopped:
            terminal.fail(f"stopped: the page has {count(len(report.videos), 'video')}")
        if not report.videos:
            terminal.fail(f"{count(failed, 'input')} failed; there is nothing to show.")
            return 130 if stopped else 1
    told = write_page(terminal, out, report, truth, named=ground_truth, embed=embed, thumbnails=thumbnails)
    failures = f", {count(failed, 'input')} failed" if failed else ""
    terminal.next_step(f"{count(len(report.videos), 'video')} in {told}{failures}. Next: open it in a browser")
    return 130 if stopped else 1 if failed else 0


def load_truth(terminal: Terminal, ground_truth: Path | None, project: Project) -> Annotations | None:
    """The annotations asked for, or else the project's own; None where they do not say when something happens.

    Raises:
        AnnotationsError: they cannot be used.
    """
    from wtalkit.annotations import load_annotations

    if ground_truth is None and not project.annotations.exists():
        return None
    truth = load_annotations(project.annotations if ground_truth is None else ground_truth)
    if truth.has_segments:
        return truth
    if ground_truth is not None:
        terminal.warn(f"{ground_truth}: says of no video when something happens")
    return None


def write_page(
    terminal: Terminal,
    out: Path,
    report: Report,
    truth: Annotations | None,
    *,
    named: Path | None = None,
    embed: bool = False,
    thumbnails: int = MOST_THUMBNAILS,
) -> str:
    """Write a report with what is annotated, in a file ``named``; says what it lacks, gives its name and size."""
    from wtalkit.report import with_truth, write_report

    if truth is not None:
        report = with_truth(report, truth)
        if named is not None and not any(video.truth for video in report.videos):
            terminal.warn(f"{named}: names none of these videos, or annotates nothing in them")
    with terminal.status("pictures"):
        written = write_report(out, report, embed=embed, thumbnails=thumbnails, progress=terminal.detail)
    for warning in written.warnings:
        terminal.warn(warning)
    size = f"{written.bytes / 1e6:.1f} MB" if written.bytes >= 1e5 else f"{written.bytes / 1e3:.0f} kB"
    return f"{out} ({size})"


def _detected(
    terminal: Terminal,
    project: Project,
    given: Sequence[Path],
    *,
    threshold: float | None,
    everything: bool,
    model: str | None,
    device: str,
    offline: bool,
    assume_spec: str | None,
    proposals: Path | None,
    out: Path,
) -> tuple[Report, int, bool]:
    """The report of inputs that the model is run on, how many of them failed, and whether the user stopped it."""
    from wtalkit.cli.fetching import shown
    from wtalkit.detection import Detector
    from wtalkit.inputs import gather
    from wtalkit.places import require_apart
    from wtalkit.report import from_detections
    from wtalkit.zoo import choose_model

    found, missing = gather(given, features=True)
    require_apart(out, [each.path for each in found])
    footage = any(each.kind == "video" for each in found)
    with shown(terminal) as fetching:
        choice = choose_model(model, project, footage=footage, offline=offline, progress=fetching)
    with terminal.status("loading"):
        detector = Detector(choice, device=device, offline=offline, assume_spec=assume_spec, proposals=proposals)
        detector.keep_curves()
    terminal.remark(f"model {choice.name} ({choice.reason})")
    for warning in detector.warnings:
        terminal.warn(warning)
    failures: list[Failure] = list(missing)
    for failure in missing:
        terminal.fail(f"{failure.path}: {failure.cause}")
    results: list[Detections] = []
    stopped = False
    try:
        for answer in _run(terminal, detector, found, failures):
            results.append(answer)
    except KeyboardInterrupt:
        stopped = True  # a page of what was found before is still worth having
    finally:
        detector.close()
    order = {each.key: number for number, each in enumerate(found)}
    results.sort(key=lambda answer: order[answer.key])
    report = from_detections(
        results, curves=detector.curves, threshold=threshold, everything=everything, failures=failures,
        warnings=detector.warnings, videos=project.videos,
    )  # fmt: skip
    return report, len(failures), stopped


def _run(
    terminal: Terminal, detector: Detector, found: Sequence[Input], failures: list[Failure]
) -> Iterator[Detections]:
    """Every candidate of each input, with progress; what fails is told and listed."""
    from wtalkit.cli.progress import VideoProgress
    from wtalkit.detection import Show, detect_many
    from wtalkit.inputs import Failure

    place = {str(each.path): each for each in found}
    with VideoProgress(terminal, len(found)) as progress:
        detector.progress = progress.update
        for answer in detect_many(found, detector, Show(everything=True), starting=progress.start):
            video = place[str(answer.path)]
            if isinstance(answer, Failure):
                progress.failed(video, f"{answer.path}: {answer.cause}")
                failures.append(answer)
            else:
                progress.done(video, answer.duration_s)
                yield answer
