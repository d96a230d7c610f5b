"""The videos that are made of an answer: clips, and copies with the labels drawn on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.terminal import Terminal, clock, count, printable, stderr_console
from wtalkit.errors import UsageError
from wtalkit.inputs import VIDEO_SUFFIXES, Failure
from wtalkit.places import is_one_of, require_apart, require_folder

if TYPE_CHECKING:
    from wtalkit.export import VideoAnswer
    from wtalkit.export.clips import Clip
    from wtalkit.video import Limits

_OVERLAYS = (".mp4", ".m4v", ".mov", ".mkv")


class ClipMode(StrEnum):
    """How clips are cut."""

    copy = "copy"
    exact = "exact"


Clips = Annotated[
    Path | None,
    typer.Option("--clips", metavar="DIR", help="Cut each segment out of its video.", show_default=False),
]
ClipModeOption = Annotated[
    ClipMode,
    typer.Option("--clip-mode", help="copy: untouched, from the key picture before the start on; exact: encoded anew."),
]
OverlayOption = Annotated[
    Path | None,
    typer.Option(
        "--overlay",
        metavar="PATH",
        help="Write a copy of the video with the labels drawn on: a file, or a folder with one per video.",
        show_default=False,
    ),
]


@dataclass
class Cutting:
    """What videos are wanted, and what became of them.

    Attributes:
        terminal: says how far it is.
        clips: folder of the clips; None for none.
        mode: how they are cut.
        overlay: file or folder of the labelled copies; None for none.
        several: whether the answer is about several videos.
        limits: what a video may claim.
        failures: of the videos that could not be cut.
        made: what was made, a clause each, for the last line.
    """

    terminal: Terminal
    clips: Path | None
    mode: ClipMode
    overlay: Path | None
    several: bool
    limits: Limits | None = None
    failures: list[Failure] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    _read: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.clips is not None:
            require_folder(self.clips, "clips need", option="--clips")
        if self.overlay is not None and self._in_folder:
            require_folder(self.overlay, "labelled copies need", option="--overlay")
        if self.overlay is not None and self.several and not self.overlay.is_dir() and self._is_video(self.overlay):
            raise UsageError("holds one video, and these are several", file=self.overlay, remedy="Name a folder")
        if self._in_folder and self.overlay is not None and self._is_other_video(self.overlay):
            raise UsageError(
                f"a labelled copy is a file of one of the kinds {', '.join(_OVERLAYS)}", file=self.overlay,
                remedy="Use another --overlay",
            )  # fmt: skip

    def __bool__(self) -> bool:
        return self.clips is not None or self.overlay is not None

    def require_apart(self, inputs: Iterable[Path]) -> None:
        """Make sure that no input is drawn over.

        Raises:
            UsageError: the labelled copy has the name of one.
        """
        if self.overlay is not None and not self._in_folder:
            require_apart(self.overlay, inputs, option="--overlay")

    @property
    def _in_folder(self) -> bool:
        return self.overlay is not None and not self._is_video(self.overlay)

    @staticmethod
    def _is_video(path: Path) -> bool:
        return path.suffix.lower() in _OVERLAYS and not path.is_dir()

    @staticmethod
    def _is_other_video(path: Path) -> bool:
        return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()

    def run(self, videos: Sequence[tuple[Path, VideoAnswer]]) -> None:
        """Make them; a video that cannot be cut never stops the others.

        Raises:
            MachineError: the disk is full or read-only, or this build of PyAV cannot encode.
        """
        with _moving(self.terminal) as show:
            clips: list[Clip] = []
            overlays = 0
            self._read = [path for path, _ in videos]
            for path, video in videos:
                if self.clips is not None:
                    clips += self._cut(path, video, show)
                if self.overlay is not None:
                    overlays += self._draw(path, video, show)
        if self.clips is not None and videos:
            self._sum_up(clips)
        if overlays:
            self.made.append(f"{count(overlays, 'labelled video')} in {self.overlay}")

    def _cut(self, path: Path, video: VideoAnswer, show: Callable[[str], None]) -> list[Clip]:
        from wtalkit.export.clips import cut_clips
        from wtalkit.inputs import attempt

        clips: list[Clip] = []

        def starting(number: int) -> None:
            show(f"cutting {path.name}: clip {number} of {len(video.segments)}")

        def cut() -> None:
            assert self.clips is not None
            clips.extend(
                cut_clips(
                    path,
                    video.key,
                    video.segments,
                    self.clips,
                    mode=self.mode.value,
                    starting=starting,
                    limits=self.limits,
                )
            )

        if isinstance(failure := attempt(path, cut), Failure):
            self._failed(failure)
        else:
            self.terminal.remark(f"{path}  {count(len(clips), 'clip')}")
        return clips

    def _draw(self, path: Path, video: VideoAnswer, show: Callable[[str], None]) -> int:
        from wtalkit.annotations.names import unsafe_key
        from wtalkit.errors import InputError
        from wtalkit.export.overlay import overlay_suffix, write_overlay
        from wtalkit.inputs import attempt

        def draw() -> Path:
            assert self.overlay is not None
            target = self.overlay
            if self._in_folder:
                if (why := unsafe_key(video.key)) is not None:
                    raise InputError(f"cannot name a file: {why}", file=path)
                target = Path(f"{self.overlay / video.key}{overlay_suffix(path, limits=self.limits)}")
                if is_one_of(target, self._read) or (target.exists() and target.parent.samefile(path.parent)):
                    raise InputError(
                        f"{target} is there already, among the videos", file=path, remedy="Use another folder"
                    )
            write_overlay(
                path, video.segments, video.end_s, target, limits=self.limits,
                progress=lambda done_s: show(f"drawing on {path.name}: {clock(done_s)} of {clock(video.end_s)}"),
            )  # fmt: skip
            return target

        made = attempt(path, draw)
        if isinstance(made, Failure):
            self._failed(made)
            return 0
        self.terminal.remark(f"{path}  labelled copy in {made}")
        return 1

    def _failed(self, failure: Failure) -> None:
        self.failures.append(failure)
        self.terminal.fail(f"{failure.path}: {failure.cause}")

    def _sum_up(self, clips: Sequence[Clip]) -> None:
        self.made.append(f"{count(len(clips), 'clip')} in {self.clips}")
        early_s = max((each.early_s for each in clips), default=0.0)
        if early_s >= 0.01:
            self.terminal.remark(
                f"clips begin up to {early_s:.2f} s early, at a key picture (--clip-mode exact cuts where they start)"
            )
        if any(each.silent for each in clips):
            self.terminal.warn("the clips are silent: this build of PyAV has no AAC encoder")


@contextmanager
def _moving(terminal: Terminal) -> Iterator[Callable[[str], None]]:
    """Gives what shows how far it is, where that can be shown."""
    if not terminal.live:
        yield lambda _: None
        return
    from rich.text import Text

    with stderr_console().status("") as status:
        yield lambda text: status.update(Text(printable(text)))
