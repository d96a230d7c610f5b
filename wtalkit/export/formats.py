"""The formats that an answer can be exported to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.errors import MachineError, UsageError
from wtalkit.suggest import remedy

if TYPE_CHECKING:
    from wtalkit.export.answer import Answer
    from wtalkit.export.written import Written

Writer = Callable[["Answer"], "Written"]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as the command line has it; that of its writer, too.
        suffix: what its files end with.
        home: module of its writer.
        several: whether one file holds several videos.
        sees: whether it asks the video's file, for its frame rate.
        needs_video: whether it cannot do without.
        packages: what it takes besides wtalkit's own needs, as they are imported.
        of: what it is for.
    """

    name: str
    suffix: str
    home: str
    several: bool
    of: str
    sees: bool = False
    needs_video: bool = False
    packages: tuple[str, ...] = ()

    def write(self, answer: Answer) -> Written:
        """The text of a file.

        Raises:
            InputError: the format needs the video, which is not at hand.
            MachineError: an optional package is missing.
        """
        writer: Writer = getattr(import_module(f"wtalkit.export.{self.home}"), self.name)
        return writer(answer)


def _timeline(name: str, suffix: str, of: str, *packages: str) -> Format:
    needed = ("opentimelineio", *packages)
    return Format(name, suffix, "timelines", False, of, sees=True, needs_video=True, packages=needed)


FORMATS = {
    each.name: each
    for each in (
        Format("json", ".json", "results", True, "everything, for programs and wtalkit itself"),
        Format("csv", ".csv", "tables", True, "spreadsheets"),
        Format("tsv", ".tsv", "tables", True, "spreadsheets, shell tools"),
        Format("srt", ".srt", "subtitles", False, "subtitles of players and editors"),
        Format("vtt", ".vtt", "subtitles", False, "subtitles of web pages"),
        Format("activitynet", ".activitynet.json", "results", True, "the evaluator of ActivityNet"),
        _timeline("otio", ".otio", "OpenTimelineIO: DaVinci Resolve, Kdenlive, Blender"),
        _timeline("edl", ".edl", "CMX 3600: nearly every editor"),
        _timeline("fcpxml", ".xml", "Final Cut Pro 7 XML: Premiere Pro, DaVinci Resolve", "otio_fcp_adapter"),
        Format("eaf", ".eaf", "elan", False, "ELAN"),
        Format("labelstudio", ".labelstudio.json", "annotators", True, "Label Studio", sees=True, needs_video=True),
        Format("via", ".via.json", "annotators", True, "VIA 3"),
        Format("fiftyone", ".fiftyone.json", "annotators", True, "FiftyOne", sees=True),
        Format("chapters", ".chapters.txt", "chapters", False, "chapters on YouTube"),
    )
}


def checked_formats(names: Iterable[str]) -> tuple[Format, ...]:
    """The formats of these names, each once.

    Raises:
        UsageError: there is none of such a name.
        MachineError: an optional package is missing.
    """
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"there is no format {name!r}", remedy=remedy(name, tuple(FORMATS)))
    formats = tuple(FORMATS[name] for name in dict.fromkeys(names))
    for each in formats:
        for package in each.packages:
            if find_spec(package) is None:
                raise MachineError(
                    f"the format {each.name} needs the package {package}", remedy="pip install 'wtalkit[export]'"
                )
    return formats


def format_of(path: Path) -> Format | None:
    """The format that a file's name stands for, the longest ending first."""
    fitting = [each for each in FORMATS.values() if path.name.lower().endswith(each.suffix)]
    return max(fitting, key=lambda each: len(each.suffix), default=None)
