"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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
        help="A bundled model, a .safetensors file, a run or 'latest'. "
        "Default: the newest run, else wtalkit.toml, else the bundled one.",
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
        metavar="FILE",
        help="Annotations with segments. Default: annotations.json, labels.csv, or what wtalkit.toml says.",
        show_default=False,
    ),
]
