"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from wtalkit.errors import ConfigError, UsageError
from wtalkit.video.info import PATIENCE_S, Limits

Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUT", help="Video files, folders (searched recursively) or .npy feature files."),
]
VideoInputs = Annotated[
    list[Path], typer.Argument(metavar="INPUT", help="Video files and folders (searched recursively).")
]


class DeviceName(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Device = Annotated[DeviceName, typer.Option(help="Where to compute; auto takes CUDA where there is one.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never use the network.")]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE|RUN",
        help="A bundled model, a .safetensors file, a run, 'latest', or without training i3d-kinetics400 and others. "
        "Default: the newest run, else wtalkit.toml, else i3d-kinetics400, else the bundled one.",
        show_default=False,
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="This action happens: when? Shows its best segments, however unlikely.", show_default=False
    ),
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="F",
        help="json csv tsv srt vtt activitynet otio edl fcpxml eaf labelstudio via fiftyone chapters; several by "
        "several --format. Default: what the name of --out ends with.",
        show_default=False,
    ),
]
Features = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder of features. Default: feats, or what wtalkit.toml says.", show_default=False
    ),
]
Subset = Annotated[
    str | None,
    typer.Option(metavar="S", help="Subset of the annotations. Default: by its usual names.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")]

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and remarks, only results, warnings and errors.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is read and decided.")]
LogJson = Annotated[
    bool, typer.Option("--log-json", help="For programs: events on stderr, one JSON object a line, in place of text.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say how long it would take, as measured on the first seconds.")
]
AssumeSpec = Annotated[
    str | None,
    typer.Option(metavar="PRESET", help="How .npy files without a record were made, as in the public packs."),
]
AnnotationsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="What happens in the videos. Default: annotations.json, labels.csv, or what wtalkit.toml says.",
        show_default=False,
    ),
]
Proposals = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="For models on proposals: take these (detect --raw-proposals) instead of what the model makes.",
        show_default=False,
    ),
]
GroundTruth = Annotated[
    Path | None,
    typer.Option(
        "--ground-truth",
        "--annotations",
        metavar="FILE",
        help="Annotations with segments. Default: annotations.json, labels.csv, or what wtalkit.toml says.",
        show_default=False,
    ),
]
Tiou = Annotated[
    str | None,
    typer.Option(
        metavar="A:B:STEP",
        help="tIoU thresholds, both ends included; 0.5 and 0.5,0.75 work too. Default: 0.1:0.7:0.1, or the protocol's.",
        show_default=False,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(metavar="D", help="Ground truth of thumos14, activitynet1.2 or activitynet1.3, instead of a file."),
]
Protocol = Annotated[
    str | None,
    typer.Option(
        metavar="P", help="Score as thumos14-co2net, thumos14-pmil, thumos14-lac or activitynet (the official code)."
    ),
]
Nms = Annotated[
    str | None, typer.Option(metavar="KIND", help="Suppress overlapping predictions first: softnms, lac or none.")
]
Rule = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=SETTING", help="Change a rule of the protocol, as its line on stderr names them."),
]

_LIMITS = Limits()
_RAISED = "more is refused before anything is decoded"
MaxPixels = Annotated[int, typer.Option(metavar="N", help=f"Width times height of a picture; {_RAISED}.", min=1)]
MaxFps = Annotated[float, typer.Option(metavar="N", help=f"Frames per second of a video; {_RAISED}.", min=0.01)]
MaxHours = Annotated[float, typer.Option(metavar="N", help="Length of a video.", min=0.0001)]
MaxStreams = Annotated[int, typer.Option(metavar="N", help=f"Streams in a file; {_RAISED}.", min=1)]
MaxMemory = Annotated[
    float, typer.Option(metavar="GIB", help="Memory of its own that the decoding of a video may take.", min=0.25)
]
Timeout = Annotated[
    float,
    typer.Option(metavar="S", help="Seconds without a sign of life after which a video is given up.", min=0.1),
]
MAX_PIXELS, MAX_FPS, MAX_HOURS = _LIMITS.pixels, _LIMITS.fps, _LIMITS.hours
MAX_STREAMS, MAX_MEMORY, TIMEOUT_S = _LIMITS.streams, _LIMITS.memory, PATIENCE_S


class EngineName(StrEnum):
    """What works on the videos."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[
    EngineName, typer.Option("--engine", help="Work here, or on a Ray cluster with a task for each video.")
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="A", help="The Ray cluster: auto or HOST:PORT. Default: one on this machine.", show_default=False
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(metavar="I/N", help="Only the Ith of N parts of the videos; 0/N is N/N.", show_default=False),
]


def check_threshold(threshold: float | None) -> None:
    """Make sure that scores can be held against a threshold.

    Raises:
        UsageError: it is no number, or infinite.
    """
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(f"--threshold {threshold} is no score", remedy="Give a number, or --all for every candidate")


def parse_rules(settings: Sequence[str]) -> dict[str, str]:
    """``NAME=SETTING`` of the command line.

    Raises:
        ConfigError: one is not of this form.
    """
    found: dict[str, str] = {}
    for text in settings:
        name, equals, setting = text.partition("=")
        if not equals:
            raise ConfigError(f"--rule {text!r} has no setting", remedy="Write it as --rule clip=none")
        found[name.strip()] = setting.strip()
    return found


def told_protocol(protocol: Mapping[str, Any]) -> str:
    """Every rule with its setting, in one line."""
    facts = {name: value for name, value in protocol.items() if name not in ("name", "source", "tiou") and value}
    thresholds = ", ".join(f"{value:g}" for value in protocol["tiou"])
    name = f"protocol {protocol['name']}" if protocol["name"] else "no protocol"
    return f"{name}: {'; '.join(f'{key} {value}' for key, value in facts.items())}; tiou {thresholds}"
