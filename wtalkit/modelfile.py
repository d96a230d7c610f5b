"""A model is one ``.safetensors`` file whose header says everything needed to use it.

The header's metadata holds one JSON document under ``wtalkit``. The official safetensors reader
alone reads it; nothing is unpickled, and sizes are checked before memory is taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from wtalkit.atomic import atomic_path
from wtalkit.errors import ModelError, UsageError
from wtalkit.proposals.proposer import Proposer, Supervision

if TYPE_CHECKING:
    from torch import Tensor

    from wtalkit.methods.composition import MethodSpec, Model

SCHEMA = 1
METADATA_KEY = "wtalkit"
PROPOSER = "proposer."
"""In front of the names of the tensors of a proposer inside the file."""
LARGEST_FILE = 8 << 30  # bytes; ours have 3 to 150 MB
LARGEST_HEADER = 16 << 20


class ModelHeader(BaseModel):
    """What a model file says about itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA
    wtalkit: str = ""
    """Version that wrote it."""
    method: str
    """The base, or the method on proposals."""
    plugins: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)
    feature_rms: float | None = None
    feature_dim: int = Field(2048, ge=2, le=1 << 16)
    classes: tuple[str, ...] = Field(min_length=1, max_length=100_000)
    feature_spec: dict[str, Any] | None = None
    """Spec of the features trained on; others are refused."""
    decoder: dict[str, Any] = Field(default_factory=dict)
    display_threshold: float | None = Field(None, allow_inf_nan=False)
    """Score a segment needs to be shown."""
    max_length: int = Field(750, ge=1)
    """Snippets of an inference window."""
    supervision: Supervision = "video-level"
    """What it, and whatever made its proposals, was told in training."""
    proposals: Proposer | None = None
    """Of a method on proposals: who made those it was trained on."""
    proposer: ModelHeader | None = None
    """The model that makes its proposals, where that one is inside this file."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Data, seed, recipe, date: for people to read."""

    @field_validator("classes")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value) or "" in value:
            raise ValueError("class names must be distinct and not empty")
        return value

    @classmethod
    def of(cls, model: Model, classes: tuple[str, ...] | list[str], **rest: Any) -> ModelHeader:
        """Header of ``model``; ``rest`` are the fields a composition does not know."""
        spec = model.spec
        return cls(
            method=spec.method,
            plugins=spec.plugins,
            without=spec.without,
            options=spec.options,
            feature_rms=spec.feature_rms,
            feature_dim=spec.feature_dim,
            classes=tuple(classes),
            **rest,
        )

    @property
    def composition(self) -> str:
        """``acrnet + clasnet without brm``; of a second stage also whose proposals it scores, and from which labels."""
        left_out = f" without {', '.join(self.without)}" if self.without else ""
        own = " + ".join((self.method, *self.plugins)) + left_out
        return own if self.proposals is None else f"{own} on proposals of {self.proposals}"

    @property
    def method_spec(self) -> MethodSpec:
        """How to build the model."""
        from wtalkit.methods.composition import MethodSpec

        return MethodSpec(
            self.method,
            len(self.classes),
            self.feature_dim,
            self.plugins,
            self.without,
            self.options,
            self.feature_rms,
        )


@dataclass(frozen=True)
class LoadedModel:
    """A model read from a file.

    Attributes:
        header: what the file says about itself.
        model: in eval mode, on the CPU.
        path: the file.
        sha256: of the whole file, in hex.
        proposer: the model inside the file that makes the proposals; None where there is none.
    """

    header: ModelHeader
    model: Model
    path: Path
    sha256: str
    proposer: LoadedModel | None = None

    def as_proposer(self) -> Proposer:
        """What results of a second stage say of this model; of a second stage it is the model inside that proposes."""
        header = (self.proposer or self).header
        return Proposer(
            method=header.method,
            plugins=header.plugins,
            without=header.without,
            supervision=header.supervision,
            source="model",
            path=str(self.path),
            sha256=self.sha256,
        )


def save_model(
    path: str | PathLike[str], model: Model, header: ModelHeader, *, proposer: LoadedModel | None = None
) -> None:
    """Write ``model`` and ``header`` to one file, whole or not at all, and the model that makes its proposals with it.

    Raises:
        ValueError: the header describes another model.
        MachineError: the disk is full or read-only.
    """
    from safetensors.torch import save_file

    if header.method_spec != model.spec:
        raise ValueError(f"the header describes {header.method_spec}, the model is {model.spec}")
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if proposer is not None:
        header = header.model_copy(update={"proposer": proposer.header})
        inner = proposer.model.state_dict().items()
        tensors |= {f"{PROPOSER}{key}": value.detach().cpu().contiguous() for key, value in inner}
    text = json.dumps(header.model_dump(mode="json"), ensure_ascii=False, allow_nan=False)
    with atomic_path(path, apart=True) as temporary:
        save_file(tensors, temporary, metadata={METADATA_KEY: text})


def read_header(path: str | PathLike[str]) -> ModelHeader:
    """Read the header alone, without torch.

    Raises:
        ModelError: as :func:`load_model`.
    """
    file = Path(path)
    with _translated(file):
        from safetensors import safe_open

        _check_size(file)
        with safe_open(file, framework="numpy") as opened:
            return _parse(file, opened.metadata())


def load_model(path: str | PathLike[str]) -> LoadedModel:
    """Read a model and put it in eval mode.

    Raises:
        ModelError: missing, not a model of ours, of a newer schema, or damaged.
    """
    file = Path(path)
    with _translated(file):
        from safetensors.torch import load_file

        header = read_header(file)
        tensors = load_file(file)
        inner = {key.removeprefix(PROPOSER): tensors.pop(key) for key in list(tensors) if key.startswith(PROPOSER)}
        model = _fill(file, header, tensors)
        if header.proposer is None and inner:
            raise ModelError("holds tensors of a proposer that its header does not describe", file=file)
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        proposer = None
        if header.proposer is not None:
            proposer = LoadedModel(header.proposer, _fill(file, header.proposer, inner), file, digest)
    return LoadedModel(header, model, file, digest, proposer)


def _fill(file: Path, header: ModelHeader, tensors: dict[str, Tensor]) -> Model:
    """Build without memory, compare with the file, then take the file's tensors."""
    import torch

    from wtalkit.methods import build

    try:
        with torch.device("meta"):
            model = build(header.method_spec)
    except RuntimeError as error:  # sizes beyond what torch can even count
        raise ModelError("its header asks for layers of impossible size", file=file) from error
    wanted = model.state_dict()
    if set(wanted) != set(tensors):
        odd = sorted(set(wanted) ^ set(tensors))
        raise ModelError(f"its tensors do not fit its header ({odd[0]} and {len(odd) - 1} more)", file=file)
    for key, value in wanted.items():
        found = tensors[key]
        if found.shape != value.shape or found.dtype != value.dtype:
            raise ModelError(
                f"{key} is {found.dtype} {tuple(found.shape)}, its header needs {value.dtype} {tuple(value.shape)}",
                file=file,
            )
        if found.is_floating_point() and not bool(torch.isfinite(found).all()):
            raise ModelError(f"{key} holds values that are not numbers", file=file)
    # Copies: where a tensor lies in the file depends on the header's length, and kernels add in another order on memory
    # that is aligned differently, so the same weights would give other last digits.
    model.load_state_dict({key: value.clone() for key, value in tensors.items()}, assign=True)
    return model.eval()


def _check_size(file: Path) -> None:
    size = file.stat().st_size
    with file.open("rb") as opened:
        declared = int.from_bytes(opened.read(8), "little")
    if size > LARGEST_FILE:
        raise ModelError(f"{size >> 30} GiB are too large for a model (limit {LARGEST_FILE >> 30})", file=file)
    if size < 8 or declared > min(LARGEST_HEADER, size - 8):
        raise ModelError("not a model file, or cut off", file=file, remedy="Copy or train it again")


def _parse(file: Path, metadata: dict[str, str] | None) -> ModelHeader:
    text = (metadata or {}).get(METADATA_KEY)
    if text is None:
        raise ModelError(
            "holds weights but no description of a wtalkit model",
            file=file,
            remedy="Authors' weights are brought in by `wtalkit models import`",
        )
    raw = json.loads(text)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA:
        raise ModelError(
            f"model schema {version!r} is not known to this version (it reads {SCHEMA})",
            file=file,
            remedy="Update wtalkit",
        )
    return ModelHeader.model_validate(raw)


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    """Name the file in every complaint."""
    from safetensors import SafetensorError

    try:
        yield
    except FileNotFoundError as error:
        raise ModelError("no such file", file=file) from error
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror or error})", file=file) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ModelError(f"its description is not usable ({where}: {first['msg']})", file=file) from error
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ModelError(f"damaged ({error})", file=file, remedy="Copy or train it again") from error
    except UsageError as error:
        if error.file is not None:
            raise
        raise ModelError(error.cause, file=file, remedy=error.remedy) from error
