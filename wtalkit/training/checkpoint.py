"""The state a training goes on from, in one safetensors file: it appears whole or not at all, and runs no code.

Tensors are named ``model.<name>``, ``average.<name>``, ``optimizer.<parameter>.<slot>`` and ``random.<device>``; what
is not a tensor is JSON in the file's header.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from wtalkit.atomic import atomic_path
from wtalkit.errors import ModelError

SCHEMA = 1
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A training between two steps.

    Attributes:
        step: steps done.
        digest: of the data trained on.
        batches: state of the batches.
        tensors: model, moving average, optimizer and torch's random state, named as above.
    """

    step: int
    digest: str
    batches: dict[str, Any]
    tensors: Tensors = field(repr=False)


def group(tensors: Tensors, prefix: str) -> Tensors:
    """The tensors of one group, their names without ``prefix.``."""
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


def named(tensors: Tensors, prefix: str) -> Tensors:
    """The inverse of :func:`group`."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> Tensors:
    """Adam's moments by parameter name; a parameter that never had a gradient has none."""
    return {
        f"{name}.{slot}": value
        for name, parameter in model.named_parameters()
        for slot, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Tensors) -> None:
    """Put back what :func:`optimizer_tensors` gave."""
    parameters = dict(model.named_parameters())
    for name, value in tensors.items():
        parameter, _, slot = name.rpartition(".")
        target = parameters[parameter]
        # Adam keeps its step count where it was made, its moments beside the parameter.
        optimizer.state[target][slot] = value.to(target.device).clone()


def random_tensors(devices: Iterable[int]) -> Tensors:
    """Torch's random state on the CPU and on the GPUs used."""
    return {"cpu": torch.get_rng_state(), **{f"cuda{index}": torch.cuda.get_rng_state(index) for index in devices}}


def restore_random(tensors: Tensors, devices: Iterable[int]) -> None:
    """Put back what :func:`random_tensors` gave."""
    torch.set_rng_state(tensors["cpu"])
    for index in devices:
        if f"cuda{index}" in tensors:
            torch.cuda.set_rng_state(tensors[f"cuda{index}"], index)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint.

    Raises:
        MachineError: no space, or the folder is read-only.
    """
    state = {"schema": SCHEMA, "step": checkpoint.step, "digest": checkpoint.digest, "batches": checkpoint.batches}
    tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
    with atomic_path(path, apart=True) as temporary:
        save_file(tensors, temporary, metadata={"wtalkit.training": json.dumps(state)})


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ModelError: it is damaged, or of another version.
    """
    with _opened(path) as (state, handle):
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118  # not a dict
        return Checkpoint(state["step"], state["digest"], state["batches"], tensors)


def read_digest(path: Path) -> str:
    """Digest of the data that a checkpoint's run is trained on; its tensors are not read.

    Raises:
        ModelError: as :func:`load_checkpoint`.
    """
    with _opened(path) as (state, _):
        return str(state["digest"])


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """What is not a tensor, and the open file."""
    try:
        with safe_open(path, framework="pt") as handle:
            yield _state((handle.metadata() or {})["wtalkit.training"], path), handle
    except (SafetensorError, KeyError, ValueError, RecursionError, OSError) as error:
        raise ModelError(f"is not a resume state ({error})", file=path, remedy="Start the training anew") from error


def _state(text: str, path: Path) -> dict[str, Any]:
    """What is not a tensor, each part of its kind.

    Raises:
        ValueError: it is something else.
        ModelError: it is of another version.
    """
    state = json.loads(text)
    if not isinstance(state, dict):
        raise ValueError("it has no state")
    if state["schema"] != SCHEMA:
        raise ModelError(
            f"is a resume state of another version ({state['schema']}, this one reads {SCHEMA})", file=path
        )
    for name, kind in (("step", int), ("digest", str), ("batches", dict)):
        if not isinstance(state[name], kind):
            raise ValueError(f"its {name} is not of the right kind")
    return state
