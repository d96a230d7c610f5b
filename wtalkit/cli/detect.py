"""``wtalkit detect``: the segments of videos, as a table or as JSON."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import (
    AssumeSpec,
    Debug,
    Device,
    DeviceName,
    Inputs,
    Json,
    Model,
    Offline,
    Proposals,
    Quiet,
    Verbose,
)
from wtalkit.cli.terminal import Terminal, clock, count
from wtalkit.cores import available_cores
from wtalkit.errors import UsageError, WtalkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtalkit.detector import Detector
    from wtalkit.inputs import Failure, Input
    from wtalkit.project import Project
    from wtalkit.segments import Detections

FORMATS = ("json",)


class OnPartial(StrEnum):
    """What to do with a damaged video."""

    error = "error"
    keep = "keep"


def command(
    inputs: Inputs,
    model: Model = None,
    json: Json = False,
    format: Annotated[
        list[str] | None, typer.Option(metavar="F", help="Format of the answer; json.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Write the answer there: one .json file, or a folder with one per video."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="X", help="Least score shown, in place of the model's own.")
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Every scored candidate, as scoring uses them.")] = False,
    classes: Annotated[str | None, typer.Option(metavar="A,B", help="Only these actions.")] = None,
    device: Device = DeviceName.auto,
    offline: Offline = False,
    on_partial: Annotated[
        OnPartial, typer.Option(help="Damaged videos fail, or are kept as far as they go.")
    ] = OnPartial.error,
    assume_spec: AssumeSpec = None,
    proposals: Proposals = None,
    raw_proposals: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write every candidate before suppression, for train --proposals.", show_default=False
        ),
    ] = None,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Find when actions happen in videos.

    Prints the segments that pass the model's own threshold, as a table or as JSON.
    """
    from wtalkit.detection import Detector, Show
    from wtalkit.inputs import gather
    from wtalkit.project import Project
    from wtalkit.zoo import choose_model

    json = json or (_checked_formats(format) and out is None)
    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    project = Project.load()
    choice = choose_model(model, project)
    found, missing = gather(inputs, features=True)
    with terminal.status("loading"):
        detector = Detector(
            choice, device=device.value, offline=offline, on_partial=on_partial.value, assume_spec=assume_spec,
            proposals=proposals,
        )  # fmt: skip
        names = tuple(name.strip() for name in classes.split(",")) if classes is not None else None
        show = detector.checked(Show(threshold, all, names))
        needs_backbone = any(each.kind == "video" for each in found)
        device_name = str(detector.featurizer.backbone.device) if needs_backbone else "cpu"
    terminal.remark(_introduction(detector, device_name))
    for warning in detector.warnings:
        terminal.warn(warning)
    if raw_proposals is not None:
        detector.keep_raw_proposals()
    outcome = _Outcome(terminal, detector, failures=list(missing), several=len(found) + len(missing) > 1)
    stopped = outcome.run(found, show)
    if json:
        outcome.print_document()
    if out is not None:
        outcome.write(out)
    written = detector.write_raw_proposals(raw_proposals) if raw_proposals is not None and detector.raw else None
    if outcome.broken is not None:
        raise outcome.broken
    if stopped:
        terminal.fail(f"stopped: {count(len(outcome.results), 'video')} done, {outcome.left} left")
        return 130
    if raw_proposals is not None and written is not None:
        videos = f"{count(written, 'raw proposal')} of {count(len(outcome.results), 'video')}"
        if outcome.failures:
            videos += f", {count(len(outcome.failures), 'input')} failed,"
        terminal.next_step(
            f"{videos} in {raw_proposals}. Next: wtalkit train --method seal --proposals {raw_proposals}"
        )
    else:
        terminal.next_step(_closing(outcome, project, inputs, out))
    return 1 if outcome.failures else 0


class _Outcome:
    """What has been found so far, shown as it comes."""

    def __init__(self, terminal: Terminal, detector: Detector, *, failures: list[Failure], several: bool) -> None:
        self.terminal, self.detector, self.failures, self.several = terminal, detector, failures, several
        self.results: list[Detections] = []
        self.left = 0
        self.broken: WtalkitError | MemoryError | None = None

    def run(self, inputs: Sequence[Input], show: object) -> bool:
        """Work through the inputs; True if the user stopped it."""
        from wtalkit.cli.progress import VideoProgress
        from wtalkit.detection import Show, detect_many
        from wtalkit.inputs import Failure

        assert isinstance(show, Show)
        for failure in self.failures:
            self.terminal.fail(f"{failure.path}: {failure.cause}")
        self.left = len(inputs)
        place = {str(each.path): each for each in inputs}
        try:
            with VideoProgress(self.terminal, total=len(inputs)) as progress:
                self.detector.progress = progress.update
                for answer in detect_many(inputs, self.detector, show, starting=progress.start):
                    video = place[str(answer.path)]
                    self.left -= 1
                    if isinstance(answer, Failure):
                        progress.failed(video, f"{answer.path}: {answer.cause}")
                        self.failures.append(answer)
                        continue
                    progress.done(video, answer.duration_s)
                    self.results.append(answer)
                    if not self.terminal.json:
                        with progress.aside():
                            self.show(answer)
        except KeyboardInterrupt:
            return True
        except (WtalkitError, MemoryError) as error:
            self.broken = error  # what was found before is still worth having
        finally:
            order = {each.key: number for number, each in enumerate(inputs)}
            self.results.sort(key=lambda answer: order[answer.key])
        return False

    def show(self, answer: Detections) -> None:
        """One video's table on stdout."""
        from wtalkit.proposals import attribution

        if self.several:
            if len(self.results) > 1:
                self.terminal.write()
            self.terminal.write(f"{answer.key}  {clock(answer.duration_s)}")
        for warning in answer.warnings:
            if warning not in self.detector.warnings:
                self.terminal.warn(f"{answer.path}: {warning}")
        if answer.segments:
            rows = [(clock(s.start_s), clock(s.end_s), s.label, f"{s.score:.2f}") for s in answer]
            self.terminal.table(("start", "end", "action", "score"), rows, right=(0, 1, 3))
            if told := attribution(answer.model):
                self.terminal.write(told)
        else:
            self.terminal.write(_nothing(answer))

    def print_document(self) -> None:
        """All of it on stdout."""
        from wtalkit.answer import document, to_text

        self.terminal.document(to_text(document(self.results, self.failures, self.detector)))
        for answer in self.results:
            if not answer.segments:
                self.terminal.remark(_nothing(answer))

    def write(self, out: Path) -> None:
        """One file for everything, or a folder with one file a video."""
        from wtalkit.answer import document, to_text
        from wtalkit.atomic import write_text

        one_file = out.suffix == ".json" or not (self.several or out.is_dir())
        if one_file and not out.is_dir():
            write_text(out, to_text(document(self.results, self.failures, self.detector)))
            return
        for answer in self.results:
            write_text(out / f"{answer.key}.json", to_text(document([answer], (), self.detector)))


def _checked_formats(names: list[str] | None) -> bool:
    """Whether a format was named.

    Raises:
        UsageError: one that this version cannot write.
    """
    from wtalkit.suggest import remedy

    for name in names or ():
        if name not in FORMATS:
            raise UsageError(f"there is no format {name!r}", remedy=remedy(name, FORMATS))
    return bool(names)


def _introduction(detector: Detector, device: str) -> str:
    choice, spec = detector.choice, detector.spec
    made_by = spec.backbone if spec.flow == "none" else f"{spec.backbone} + {spec.flow}"
    cores = f", {count(available_cores(), 'core')}" if device == "cpu" else ""
    return f"model {choice.name} ({choice.reason}) · features {made_by} · {device}{cores}"


def _nothing(answer: Detections) -> str:
    if answer.best_score is None:
        return f"{answer.key}: nothing found, not one candidate"
    if answer.threshold is None:
        return f"{answer.key}: nothing found"
    return (
        f"{answer.key}: nothing found: the best candidate scores {answer.best_score:.2f}, "
        f"the threshold is {answer.threshold:.2f} (--threshold sets another)"
    )


def _closing(outcome: _Outcome, project: Project, inputs: list[Path], out: Path | None) -> str:
    segments = sum(map(len, outcome.results))
    text = f"{count(segments, 'segment')} in {count(len(outcome.results), 'video')}"
    if outcome.failures:
        text += f", {count(len(outcome.failures), 'input')} failed"
    if not outcome.results:
        return f"{text}."
    if out is not None:
        text += f", written to {out}"
    if project.annotations.exists() and project.features.is_dir() and not outcome.detector.choice.is_demo:
        step = "wtalkit evaluate"
    elif project.annotations.exists() or outcome.detector.choice.is_demo:
        step = f"wtalkit extract {project.settings.videos}/ --out {project.settings.features}/"
    else:
        step = f"wtalkit detect {shlex.join(map(str, inputs))} --json"
    return f"{text}. Next: {step}"
