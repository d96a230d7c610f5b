"""Proposals files: the ActivityNet results schema, with who made them and from which labels in ``external_data``.

``{"version", "results": {video: [{"label", "score", "segment": [start_s, end_s]}]}, "external_data": {"proposer":
{"method", "plugins", "supervision", ...}, "model": {...}, "spec": {...}}}``. P-MIL's shipped files and every other file
of that schema are read, too; where nothing says what made them, the supervision is unknown.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from wtalkit import __version__
from wtalkit.atomic import atomic_path
from wtalkit.documents import read_json
from wtalkit.errors import PredictionsError, ProposalsError
from wtalkit.evaluation.predictions import check_predictions, number_of
from wtalkit.localization.decoder import Proposals
from wtalkit.proposals.proposer import Proposer

SCHEMA_VERSION = "wtalkit proposals 1"
SIZE_LIMIT_BYTES = 1 << 30  # a thousand candidates of ninety bytes for each of ten thousand videos
_KNOWN = "wtalkit proposals "
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ProposalFile:
    """What a proposals file holds; labels and scores in it are left aside, a second stage makes its own.

    Attributes:
        seconds: start and end of each proposal, [M, 2], by video.
        proposer: who made them.
        model: what the file says of the model that made them; empty where it says nothing.
        raw: whether these are all candidates of that model, as ``detect --raw-proposals`` writes them.
        path: the file.
        warnings: what was left out, one sentence each.
    """

    seconds: Mapping[str, Floats]
    proposer: Proposer
    model: Mapping[str, Any]
    raw: bool
    path: Path
    warnings: tuple[str, ...] = ()

    def of(self, key: str) -> Floats:
        """Proposals of one video.

        Raises:
            ProposalsError: the file does not name it.
        """
        if key not in self.seconds:
            raise ProposalsError(
                f"holds no proposals of {key!r} ({len(self.seconds)} other videos)",
                file=self.path,
                remedy="Make them with wtalkit detect VIDEO --raw-proposals FILE, of the same proposer",
            )
        return self.seconds[key]


def load_proposals(path: str | PathLike[str], *, limit_bytes: int = SIZE_LIMIT_BYTES) -> ProposalFile:
    """Read a proposals file (``.json`` or ``.json.gz``): wtalkit's, P-MIL's, or any of the ActivityNet results schema.

    Raises:
        ProposalsError: it cannot be read, is of another schema or of a newer version.
    """
    file = Path(path)
    document, text = read_json(file, error=ProposalsError, allow_nan=True, limit_bytes=limit_bytes)
    try:
        check_predictions(document, path=file, text=text)
    except PredictionsError as error:
        raise ProposalsError(error.cause, file=file, remedy=error.remedy) from error
    version = document.get("version")
    if isinstance(version, str) and version.startswith(_KNOWN) and version != SCHEMA_VERSION:
        raise ProposalsError(
            f"is of the schema {version!r}, this version reads {SCHEMA_VERSION!r}", file=file, remedy="Update wtalkit"
        )
    seconds, odd = {}, 0
    for key, rows in document["results"].items():
        found = np.array([[number_of(end) for end in row["segment"]] for row in rows], np.float64).reshape(-1, 2)
        sound = np.isfinite(found).all(axis=1) & (found[:, 0] < found[:, 1])
        odd += int((~sound).sum())
        seconds[key] = found[sound]
    warnings = [f"{file}: {odd} proposals without a length, or with ends that are not numbers, left out"] if odd else []
    external = document.get("external_data")
    about = external if isinstance(external, Mapping) else {}
    model = about.get("model")
    return ProposalFile(
        seconds=seconds,
        proposer=_proposer(about, file),
        model=model if isinstance(model, Mapping) else {},
        raw=version == SCHEMA_VERSION,
        path=file,
        warnings=tuple(warnings),
    )


def write_proposals(
    path: str | PathLike[str],
    videos: Iterable[tuple[str, Proposals]],
    *,
    classes: tuple[str, ...],
    proposer: Proposer,
    model: Mapping[str, Any],
    spec: Mapping[str, Any],
) -> int:
    """Write a proposals file, whole or not at all; gives how many proposals there are.

    Args:
        path: the file; one that ends in ``.gz`` is compressed.
        videos: key and raw proposals of each video.
        classes: names of the classes that the proposals' labels count.
        proposer: who made them.
        model: facts of the model, for people and for finding it again.
        spec: of the features.

    Raises:
        ValueError: a number is not finite.
        MachineError: the folder cannot be written to, or the disk is full.
    """
    results, count = [], 0
    for key, found in videos:
        rows = [
            {"label": classes[label], "score": score, "segment": segment}
            for label, score, segment in zip(
                found.label.tolist(), found.scores.tolist(), found.seconds.tolist(), strict=True
            )
        ]
        count += len(rows)
        body = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
        results.append(f"{json.dumps(key, ensure_ascii=False)}: [{body}]")
    about = {"wtalkit": __version__, "proposer": proposer.to_dict(), "supervision": proposer.supervision}
    tail = json.dumps({**about, "model": dict(model), "spec": dict(spec)}, ensure_ascii=False, allow_nan=False)
    head = f'{{"version": {json.dumps(SCHEMA_VERSION)},\n"results": {{\n'
    text = head + ",\n".join(results) + f'\n}},\n"external_data": {tail}}}\n'
    content = text.encode("utf-8", "backslashreplace")
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(content) if Path(path).suffix == ".gz" else content)
    return count


def _proposer(about: Mapping[str, Any], file: Path) -> Proposer:
    """What the file says of its maker; found by the file itself where it says nothing."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    told = about.get("proposer")
    model = about.get("model")
    if told is None and isinstance(model, Mapping):  # a predictions file: its model made what stands in it
        known = ("method", "plugins", "supervision")
        told = {name: model[name] for name in known if model.get(name) is not None}
    try:
        stated = Proposer.model_validate({} if told is None else told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ProposalsError(
            f"what its external_data says of who made it is not usable ({where or 'proposer'}: {first['msg']})",
            file=file,
            remedy="Write it as wtalkit detect --raw-proposals does, or leave it out",
        ) from error
    return stated.model_copy(update={"source": "file", "path": str(file), "sha256": digest})
