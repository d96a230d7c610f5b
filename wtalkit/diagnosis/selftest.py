"""The chain from file to segments on a few seconds of the bundled video, against what is known to come out.

Each stage says how fast it was and how far its result is from the known one. Results differ a little between
processors and builds of FFmpeg; a stage that is broken is off by far more than what is allowed here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wtalkit.errors import MachineError, WtalkitError
from wtalkit.zoo import DEMO_MODEL, bundled_dir, bundled_models, demo_video

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtalkit.backbones import MakesFeatures
    from wtalkit.features import FeatureSpec
    from wtalkit.modelfile import LoadedModel

FRAMES = 48
ALLOWED = 0.02
"""Share by which a number may be off. Half precision is off by 0.001, a stage that is broken by tens of per cent."""
KNOWN = {
    "decode": (78.80725, 49.65316),
    "flow": (0.0026868, 0.0385790),
    "backbone": (0.2874480, 0.4087967),
    "model": (0.0904322, 0.0424720),
}
"""Two numbers for each stage: mean and standard deviation of all that comes out."""
KNOWN_OF = "5b7c383ac0e9c232"
"""The model that the numbers of its last two stages are known of: first digits of its SHA-256."""


@dataclass(frozen=True)
class Stage:
    """What became of one stage.

    Attributes:
        name: ``decode``, ``flow``, ``backbone``, ``model``.
        per_s: units a second; None where it failed.
        unit: what is counted.
        numbers: mean and standard deviation of the result.
        compared: they were compared with known ones.
        problem: what went wrong, without a full stop; None where the result is the known one.
    """

    name: str
    unit: str
    per_s: float | None = None
    numbers: tuple[float, float] | None = None
    compared: bool = False
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def self_test(device: str = "auto") -> Iterator[Stage]:
    """Run the chain stage by stage; ends at the first one that does not work.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
    """
    chain = _Chain(device)
    stages: tuple[tuple[str, str, Callable[[], tuple[NDArray[Any], int, float]]], ...] = (
        ("decode", "frames", chain.decode),
        ("flow", "pairs", chain.find_flow),
        ("backbone", "clips", chain.run_backbone),
        ("model", "snippets", chain.run_model),
    )
    for name, unit, run in stages:
        try:
            values, units, took_s = run()
        except WtalkitError as error:
            yield Stage(name, unit, problem=str(error).rstrip("."))
            return
        except Exception as error:  # whatever a broken build raises is what is looked for
            yield Stage(name, unit, problem=f"{type(error).__name__}: {error}".rstrip("."))
            return
        numbers = float(values.mean(dtype=float)), float(values.std(dtype=float))
        known = KNOWN[name] if name in ("decode", "flow") or chain.is_known else None
        problem = None if known is None else _difference(numbers, known)
        yield Stage(name, unit, units / max(took_s, 1e-9), numbers, known is not None, problem)


def _difference(found: tuple[float, float], known: tuple[float, float]) -> str | None:
    """What differs, if it is too much; not a number is never right."""
    if all(abs(a - b) <= ALLOWED * max(abs(b), known[1]) for a, b in zip(found, known, strict=True)):
        return None
    return (
        f"gives mean {found[0]:.4g} and deviation {found[1]:.4g}, known to be {known[0]:.4g} and {known[1]:.4g}: "
        "what it computes on this machine is wrong"
    )


class _Chain:
    """The stages, each working on what the one before left."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._frames: NDArray[np.uint8]
        self._flow: NDArray[np.float32]
        self._rows: NDArray[np.float32]

    @cached_property
    def _model(self) -> LoadedModel:
        from wtalkit.modelfile import load_model

        models = bundled_models()
        if DEMO_MODEL not in models:
            raise MachineError("the bundled model is not there", file=bundled_dir(), remedy="Install wtalkit again")
        return load_model(models[DEMO_MODEL])

    @property
    def is_known(self) -> bool:
        """Whether the model is the one that comes with wtalkit."""
        return self._model.sha256.startswith(KNOWN_OF)

    @cached_property
    def _spec(self) -> FeatureSpec:
        from wtalkit.features import FeatureSpec

        return FeatureSpec.from_dict(self._model.header.feature_spec or {})

    def decode(self) -> tuple[NDArray[Any], int, float]:
        """Frames of the bundled video, in a process of its own as always."""
        import numpy as np

        from wtalkit.video import Decoder

        if not demo_video().is_file():
            raise MachineError("the bundled video is not there", file=demo_video(), remedy="Install wtalkit again")
        decoder, chunks, took_s = Decoder(), [], 0.0
        try:
            with decoder.decode(demo_video(), self._spec.fps, short_side=self._spec.resize) as decoding:
                for chunk in decoding:
                    chunks.append(chunk.images.copy())
                    took_s += chunk.decode_s
                    if sum(map(len, chunks)) >= FRAMES:
                        break
        finally:
            decoder.close()
        frames = np.concatenate(chunks)
        self._frames = frames[:FRAMES]
        return self._frames, len(frames), took_s

    def find_flow(self) -> tuple[NDArray[Any], int, float]:
        """TV-L1 between the frames, where features get theirs."""
        import numpy as np

        from wtalkit.backbones.preprocess import to_gray
        from wtalkit.flow import tvl1

        grey = np.stack([to_gray(frame) for frame in self._frames])
        tvl1(grey[:2], device=str(self._backbone.device))  # what is compiled on first use is no part of the rate
        began_s = time.perf_counter()
        found = tvl1(grey, device=str(self._backbone.device))
        took_s = time.perf_counter() - began_s
        self._flow = np.concatenate([found, found[-1:]])
        return found, len(found), took_s

    @cached_property
    def _backbone(self) -> MakesFeatures:
        from wtalkit.backbones import load_backbone

        name = self._spec.backbone
        return load_backbone(name, device=self._device, weights=bundled_dir() / name, offline=True)

    def run_backbone(self) -> tuple[NDArray[Any], int, float]:
        """Features of every window."""
        import numpy as np
        import torch

        timeline = self._spec.timeline
        starts = [index * timeline.stride for index in range(timeline.snippet_count(len(self._frames)))]
        rgb = torch.from_numpy(np.stack([self._frames[at : at + timeline.window] for at in starts]))
        flow = torch.from_numpy(np.stack([self._flow[at : at + timeline.window] for at in starts]))
        self._backbone.features(rgb[:1], flow[:1]).cpu()
        began_s = time.perf_counter()
        self._rows = self._backbone.features(rgb, flow).cpu().numpy()
        return self._rows, len(starts), time.perf_counter() - began_s

    def run_model(self) -> tuple[NDArray[Any], int, float]:
        """Scores of every class in every snippet, and candidates from them."""
        from wtalkit.localizer import Curves, Localizer

        localizer = Localizer.of(self._model, self._spec.timeline)
        curves: list[Curves] = []
        began_s = time.perf_counter()
        localizer.candidates(self._rows, len(self._frames) / self._spec.fps, show=curves.append)
        return curves[0].activations, len(self._rows), time.perf_counter() - began_s
