"""``wtalkit detect``: the segments of videos, as a table or as JSON."""

from __future__ import annotations

import shlex
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wtalkit.cli.cutting import ClipMode, ClipModeOption, Clips, Cutting, OverlayOption
from wtalkit.cli.options import (
    MAX_FPS,
    MAX_HOURS,
    MAX_MEMORY,
    MAX_PIXELS,
    MAX_STREAMS,
    TIMEOUT_S,
    Address,
    AssumeSpec,
    Debug,
    Device,
    DeviceName,
    DryRun,
    EngineName,
    EngineOption,
    Formats,
    Inputs,
    Json,
    Label,
    LogJson,
    MaxFps,
    MaxHours,
    MaxMemory,
    MaxPixels,
    MaxStreams,
    Model,
    Offline,
    Proposals,
    Quiet,
    Shard,
    Timeout,
    Verbose,
    check_threshold,
)
from wtalkit.cli.terminal import Terminal, clock, count
from wtalkit.cores import available_cores
from wtalkit.errors import InputError, UsageError, WtalkitError
from wtalkit.inputs import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wtalkit.annotations import Annotations
    from wtalkit.cli.progress import VideoProgress
    from wtalkit.detector import Detector, Show
    from wtalkit.export import Answer, Format, VideoAnswer
    from wtalkit.export.footage import Footage
    from wtalkit.inputs import Input
    from wtalkit.project import Project
    from wtalkit.segments import Detections


class OnPartial(StrEnum):
    """What to do with a damaged video."""

    error = "error"
    keep = "keep"


def command(
    inputs: Inputs,
    model: Model = None,
    json: Json = False,
    format: Formats = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Write the answer there: one file, or a folder with one per video."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="X", help="Least score shown, in place of the model's own.")
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Every scored candidate, as scoring uses them.")] = False,
    classes: Annotated[str | None, typer.Option(metavar="A,B", help="Only these actions.")] = None,
    label: Label = None,
    clips: Clips = None,
    clip_mode: ClipModeOption = ClipMode.copy,
    overlay: OverlayOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a page to look at: player, timelines, curves, table.", show_default=False
        ),
    ] = None,
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
    engine: EngineOption = EngineName.local,
    address: Address = None,
    shard: Shard = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    max_fps: MaxFps = MAX_FPS,
    max_hours: MaxHours = MAX_HOURS,
    max_streams: MaxStreams = MAX_STREAMS,
    max_memory: MaxMemory = MAX_MEMORY,
    timeout: Timeout = TIMEOUT_S,
    dry_run: DryRun = False,
    log_json: LogJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Find when actions happen in videos.

    Prints the segments that pass the model's own threshold, as a table or as JSON. With --out DIR each answer is
    written when it is ready, what became of each video to DIR/status.jsonl; the same command again goes on.
    """
    from wtalkit.cli.dry_run import of_detection
    from wtalkit.cli.export import wanted_formats
    from wtalkit.cli.fetching import shown
    from wtalkit.cli.report import load_truth
    from wtalkit.detection import Detector, Show
    from wtalkit.extraction.sharding import parse_shard
    from wtalkit.extraction.sharding import shard as take_shard
    from wtalkit.inputs import gather
    from wtalkit.places import require_file
    from wtalkit.project import Project
    from wtalkit.video import Limits
    from wtalkit.zoo import choose_model

    limits = Limits(max_pixels, max_fps, max_hours, max_streams, max_memory)
    part = None if shard is None else parse_shard(shard)
    check_threshold(threshold)
    formats = wanted_formats(format, out)
    printed = json or (bool(formats) and out is None)
    terminal = Terminal(quiet=quiet, verbose=verbose, json=printed, log_json=log_json)
    project = Project.load()
    found, missing = gather(inputs, features=True)
    several = len(found) + len(missing) > 1
    files = _Files(formats, out, several, json)
    cutting = Cutting(terminal, clips, clip_mode, overlay, several, limits)
    _require_videos(found, formats, cutting)
    for path, option in ((report, "--report"), (raw_proposals, "--raw-proposals")):
        if path is not None:
            require_file(path, option=option)
    _require_apart(found, files, cutting, {"--report": report, "--raw-proposals": raw_proposals})
    truth = None if report is None else load_truth(terminal, None, project)
    if part is not None:
        found = tuple(take_shard(found, *part))
    footage = any(each.kind == "video" for each in found)
    with shown(terminal) as fetching:
        choice = choose_model(model, project, footage=footage, offline=offline, progress=fetching)
    with terminal.status("loading"):
        detector = Detector(
            choice, device=device.value, offline=offline, on_partial=on_partial.value, assume_spec=assume_spec,
            proposals=proposals, limits=limits,
            timeout_s=timeout, engine=engine.value, address=address,
        )  # fmt: skip
        names = tuple(name.strip() for name in classes.split(",")) if classes is not None else None
        show = detector.checked(Show(threshold, all, names, label))
        device_name = str(detector.featurizer.backbone.device) if footage else "cpu"
    if engine != EngineName.local:
        device_name = f"Ray, {address or 'on this machine'}"
    terminal.remark(_introduction(detector, device_name))
    for warning in detector.warnings:
        terminal.warn(warning)
    if dry_run:
        return of_detection(terminal, detector, found, missing)
    if raw_proposals is not None:
        detector.keep_raw_proposals()
    if report is not None:
        detector.keep_curves()
        detector.keep_candidates()
    outcome = _Outcome(terminal, detector, show, failures=list(missing), several=several, files=files)
    stopped = outcome.run(found)
    if terminal.json and outcome.can_be(files.printed):
        outcome.print_document()
    if files.file is not None and outcome.can_be(files.formats[0]):
        outcome.write(files.file)
    written = detector.write_raw_proposals(raw_proposals) if raw_proposals is not None and detector.raw else None
    if outcome.broken is not None:
        raise outcome.broken
    page = None if report is None else _page(report, outcome, project, truth)
    if stopped:
        go_on = "" if outcome.folder is None else ". The same command goes on."
        terminal.fail(f"stopped: {count(len(outcome.results), 'video')} done, {outcome.left} left{go_on}")
        return 130
    outcome.summarize()
    if cutting:
        cutting.run(outcome.videos(found))
    if page is not None:
        cutting.made.append(page)
    if raw_proposals is not None and written is not None:
        videos = f"{count(written, 'raw proposal')} of {count(len(outcome.results), 'video')}"
        if outcome.failures:
            videos += f", {count(len(outcome.failures), 'input')} failed,"
        terminal.next_step(
            f"{videos} in {raw_proposals}. Next: wtalkit train --method seal --proposals {raw_proposals}"
        )
    else:
        terminal.next_step(_closing(outcome, project, inputs, [*files.written(), *cutting.made]))
    return 1 if outcome.failures or outcome.unwritten or cutting.failures else 0


class _Files:
    """Which files the answer is written to, and in which formats.

    Args:
        formats: that were asked for.
        out: where to; None prints.
        several: whether there are several inputs.
        json: whether the JSON document is printed, too.

    Raises:
        UsageError: what is asked for does not go together.
    """

    def __init__(self, formats: tuple[Format, ...], out: Path | None, several: bool, json: bool) -> None:
        from wtalkit.cli.export import check_printable
        from wtalkit.export import FORMATS
        from wtalkit.export.writing import is_one_file
        from wtalkit.places import require_file

        self.out = out
        self.formats = formats or (FORMATS["json"],)
        self.printed = FORMATS["json"] if json else self.formats[0]
        self.file: Path | None = None
        self.folder: Path | None = None
        if out is None:
            check_printable(self.formats, several)
            if json and self.printed not in self.formats:
                raise UsageError(
                    f"--json and --format {self.formats[0].name} would both be printed", remedy="Name --out"
                )
        elif is_one_file(self.formats, several, out):
            require_file(out)
            self.file = out
        else:
            self.folder = out

    @property
    def beside(self) -> tuple[Format, ...]:
        """What is written to the folder besides the answers themselves."""
        return tuple(each for each in self.formats if each.name != "json")

    def written(self) -> list[str]:
        """What the last line says of it."""
        return [] if self.out is None else [str(self.out)]


def _require_videos(inputs: Sequence[Input], formats: Sequence[Format], cutting: Cutting) -> None:
    """Make sure that what needs pictures has them.

    Raises:
        UsageError: an input is a feature file.
    """
    needy = ["--clips"] if cutting.clips is not None else []
    needy += ["--overlay"] if cutting.overlay is not None else []
    needy += [f"--format {each.name}" for each in formats if each.needs_video]
    features = next((each for each in inputs if each.kind == "features"), None)
    if needy and features is not None:
        raise UsageError(
            f"is a feature file, and {needy[0]} needs the video", file=features.path,
            remedy="Write the answer with --out found.json, then: wtalkit export found.json --video FOLDER ...",
        )  # fmt: skip


def _require_apart(inputs: Sequence[Input], files: _Files, cutting: Cutting, others: Mapping[str, Path | None]) -> None:
    """Make sure that nothing that is read is written to; the record of features counts as read.

    Raises:
        UsageError: something is.
    """
    from wtalkit.features.store import feature_paths
    from wtalkit.places import require_apart, require_different

    require_different({"--out": files.file, **others})
    read = [each.path for each in inputs]
    read += [each.path.with_suffix(".json") for each in inputs if each.kind == "features"]
    cutting.require_apart(read)
    for option, path in ({"--out": files.file} | dict(others)).items():
        if path is not None:
            require_apart(path, read, option=option)
    if files.folder is not None:
        for each in inputs:
            with suppress(InputError):  # a name that no file can have, which fails when it is its turn
                require_apart(feature_paths(files.folder, each.key)[1], read)


class _Outcome:
    """What has been found so far, shown as it comes, and written as it comes where there is a folder for it."""

    def __init__(
        self, terminal: Terminal, detector: Detector, show: Show, *, failures: list[Failure], several: bool,
        files: _Files,
    ) -> None:  # fmt: skip
        from wtalkit.answer_folder import AnswerFolder
        from wtalkit.export.footage import FootageFolder
        from wtalkit.status import VideoStatus

        self.terminal, self.detector, self.wanted = terminal, detector, show
        self.failures, self.several = failures, several
        self.results: list[Detections] = []
        self.statuses = [VideoStatus.of_failure(Path(each.path).stem, each, None) for each in failures]
        self.left = 0
        self.broken: WtalkitError | MemoryError | None = None
        self.files = files
        self.unwritten: list[Failure] = []
        self._footage = FootageFolder(limits=detector.limits)
        self.folder = AnswerFolder(files.folder, detector, show) if files.folder is not None else None

    def run(self, inputs: Sequence[Input]) -> bool:
        """Work through the inputs; True if the user stopped it."""
        for failure in self.failures:
            self.terminal.fail(f"{failure.path}: {failure.cause}")
        self.left = len(inputs)
        try:
            self._work(inputs)
        except KeyboardInterrupt:
            return True
        except (WtalkitError, MemoryError) as error:
            self.broken = error  # what was found before is still worth having
        finally:
            order = {each.key: number for number, each in enumerate(inputs)}
            self.results.sort(key=lambda answer: order[answer.key])
            self.detector.close()
        return False

    def _work(self, inputs: Sequence[Input]) -> None:
        from contextlib import closing, nullcontext

        from wtalkit.cli.progress import VideoProgress
        from wtalkit.detection import detect_many

        folder = self.folder
        anew = self.detector.raw is not None or self.detector.judged is not None  # an answer holds none of these
        place = {str(each.path): each for each in inputs}
        with (
            nullcontext() if folder is None else closing(folder),
            VideoProgress(self.terminal, len(inputs)) as progress,
        ):
            if folder is not None:
                for failure in self.failures:
                    folder.missing(failure)
            self.detector.progress = progress.update
            to_do = []
            for each in inputs:
                if folder is not None and not anew and (there := folder.find(each)) is not None:
                    progress.skipped(each, "is there already")
                    self._take(each, there, progress)
                else:
                    to_do.append(each)
            for answer in detect_many(to_do, self.detector, self.wanted, starting=progress.start):
                video = place[str(answer.path)]
                kept = answer if folder is None else folder.keep(video, answer)
                if isinstance(kept, Failure):
                    progress.failed(video, f"{kept.path}: {kept.cause}")
                else:
                    progress.done(video, kept.duration_s)
                self._take(video, kept, progress)

    def _take(self, video: Input, answer: Detections | Failure, progress: VideoProgress) -> None:
        from wtalkit.status import VideoStatus

        self.left -= 1
        if isinstance(answer, Failure):
            self.failures.append(answer)
            self.statuses.append(VideoStatus.of_failure(video.key, answer, self.detector.spec))
            return
        self.statuses.append(VideoStatus.of_detections(answer))
        self.results.append(answer)
        if self.folder is not None and self.files.beside:
            self._write_beside(self.folder.folder, answer)
        if not self.terminal.json:
            with progress.aside():
                self.show(answer)

    def summarize(self) -> None:
        """What failed or is incomplete, once more at the end of a long job."""
        from wtalkit.cli.summary import summarize
        from wtalkit.status import STATUS_FILE

        if self.several and not self.terminal.json:
            summarize(self.terminal, self.statuses, None if self.folder is None else self.folder.folder / STATUS_FILE)

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

    def can_be(self, form: Format) -> bool:
        """Whether there is something to write in a format: one that is about one video cannot say that it failed."""
        return form.several or bool(self.results)

    def print_document(self) -> None:
        """All of it on stdout."""
        self._put(self.files.printed, self.terminal.document)
        for answer in self.results:
            if not answer.segments:
                self.terminal.remark(_nothing(answer))

    def write(self, path: Path) -> None:
        """One file for everything."""
        from wtalkit.atomic import write_text

        self._put(self.files.formats[0], lambda text: write_text(path, text))

    def _put(self, form: Format, put: Callable[[str], None]) -> None:
        """Give everything in a format to ``put``; where that cannot be, it is a failure."""
        if not self.results and not form.several:
            return
        try:
            text, remarks = self._text(form)
        except InputError as error:
            self._failed_to_write([Failure.of(error.file or "", error)])
            return
        put(text)
        for remark in remarks:
            self.terminal.remark(f"{form.name}: {remark}")

    def _failed_to_write(self, failures: Sequence[Failure]) -> None:
        for failure in failures:
            self.terminal.fail(f"{failure.path}: {failure.cause}")
        self.unwritten += failures

    def videos(self, inputs: Sequence[Input]) -> list[tuple[Path, VideoAnswer]]:
        """The answers with the files they are of."""
        paths = {each.key: each.path for each in inputs}
        return [(paths[each.key], each) for each in self._answer().videos]

    def _text(self, form: Format) -> tuple[str, tuple[str, ...]]:
        from wtalkit.answer import to_text
        from wtalkit.export.writing import text_of

        return (to_text(self._document()), ()) if form.name == "json" else text_of(self._answer(), form, self._look)

    def _write_beside(self, folder: Path, answer: Detections) -> None:
        """One video's files in the formats asked for, beside its answer."""
        from wtalkit.answer import document
        from wtalkit.export import answer_of
        from wtalkit.export.writing import place, write_targets

        targets, failures = place(self.files.beside, [answer.key], folder)
        part, _ = answer_of(document([answer], (), self.detector, self.wanted))
        _, remarks, failed = write_targets(part, targets, self._look)
        for remark in remarks:
            self.terminal.remark(remark)
        self._failed_to_write([*failures, *failed])

    def _look(self, video: VideoAnswer) -> Footage | None:
        return self._footage.look(video.key, video.path)

    def _answer(self) -> Answer:
        from wtalkit.export import answer_of

        return answer_of(self._document())[0]

    def _document(self) -> dict[str, Any]:
        from wtalkit.answer import document

        return document(self.results, self.failures, self.detector, self.wanted)


def _page(path: Path, outcome: _Outcome, project: Project, truth: Annotations | None) -> str | None:
    """Write the report of what was found, as far as it goes; gives its name and size, None where there is nothing."""
    from wtalkit.cli.report import write_page
    from wtalkit.report import from_detections

    detector = outcome.detector
    if not outcome.results:
        outcome.terminal.fail(f"{path}: not written, there is nothing to show")
        return None
    report = from_detections(
        outcome.results, candidates=detector.judged, curves=detector.curves, everything=outcome.wanted.everything,
        failures=outcome.failures, warnings=detector.warnings, videos=project.videos,
    )  # fmt: skip
    return write_page(outcome.terminal, path, report, truth)


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


def _look(outcome: _Outcome, inputs: list[Path]) -> str:
    """The command that shows what was found; from a file of it at once, else with the curves."""
    file = outcome.files.file
    shown = [file] if file is not None and outcome.files.formats[0].name == "json" else inputs
    page = Path(shown[0]).with_suffix(".html").name if len(shown) == 1 and shown[0].is_file() else "report.html"
    return f"wtalkit report {shlex.join(map(str, shown))} -o {shlex.quote(page)}"


def _closing(outcome: _Outcome, project: Project, inputs: list[Path], written: list[str]) -> str:
    segments = sum(map(len, outcome.results))
    text = f"{count(segments, 'segment')} in {count(len(outcome.results), 'video')}"
    if outcome.failures:
        text += f", {count(len(outcome.failures), 'input')} failed"
    if not outcome.results:
        return f"{text}."
    if written:
        text += f", written to {written[0]}" if outcome.files.out is not None else f": {written[0]}"
        text += "".join(f", {each}" for each in written[1:])
    if project.annotations.exists() and project.features.is_dir() and not outcome.detector.choice.is_demo:
        step = "wtalkit evaluate"
    elif outcome.detector.judged is None:
        step = _look(outcome, inputs)
    elif project.annotations.exists() or outcome.detector.choice.is_demo:
        step = f"wtalkit extract {project.settings.videos}/ --out {project.settings.features}/"
    else:
        step = f"wtalkit detect {shlex.join(map(str, inputs))} --json"
    return f"{text}. Next: {step}"
