"""Where flow and features are computed: on the cores of the processor, or on a GPU. Both take work and answer later."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from wtalkit.backbones.preprocess import to_gray
from wtalkit.cores import available_cores
from wtalkit.errors import DeviceFull
from wtalkit.flow.cuda.frames import solver_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wtalkit.backbones.backbone import MakesFeatures
    from wtalkit.flow import FlowAlgorithm

    Images = NDArray[np.uint8]
    Rows = NDArray[np.float32]


_PLACES_A_BATCH = 2_000_000
"""Pixels times frames; a batch of more is no faster on one core, and Ctrl-C would have to wait for it."""

_MANY = 1 << 20
_LANE_BYTES = 3 * 2**30
"""Of a lane on a GPU at 340x256: eight chunks of 64 frames with their flow, and three batches of windows."""

_GRAY_WEIGHTS, _GRAY_SHIFT = (9798, 19235, 3735), 15
"""OpenCV's fixed-point weights of red, green and blue."""


class Later(Protocol):
    """A tensor that is being computed."""

    def result(self) -> Tensor:
        """Wait for it."""
        ...


class Compute(Protocol):
    """What a lane needs of the machine."""

    chunk_frames: int
    chunks_ahead: int
    batch_windows: int

    def here(self) -> AbstractContextManager[object]:
        """Within it, the calling thread's own small operations run on the device, on a stream for them."""
        ...

    def load(self, images: Images) -> Tensor:
        """Frames uint8 ``[n, H, W, 3]`` as a tensor of its own, on the device."""
        ...

    def gray(self, rgb: Tensor) -> Tensor:
        """What the flow looks at: grey images uint8 ``[n, H, W]`` of frames, or the frames where it sees colours."""
        ...

    def flow(self, images: Tensor) -> Later:
        """Fields float32 ``[n - 1, 2, H, W]`` from each image to the next."""
        ...

    def features(self, rgb: Tensor, flow: Tensor | None) -> Future[Rows]:
        """Rows float32 ``[B, dim]`` of windows; to be called within :meth:`here`, where these were made."""
        ...

    def cancel(self) -> None:
        """Begin nothing more; who waits for what has not begun gets an error."""
        ...

    def close(self) -> None:
        """Stop the threads, after what they are at."""
        ...


class CpuCompute:
    """Every core takes whole tasks, a pair of frames or a batch of windows, in the order in which they come.

    A network spread over the cores would have them wait for each other at every layer, the more so while the others
    compute flow.

    Args:
        backbone: on the CPU.
        algorithm: of the flow.
        workers: cores to use; all by default.
    """

    chunk_frames = 16
    chunks_ahead = 2

    def __init__(self, backbone: MakesFeatures, algorithm: FlowAlgorithm, workers: int | None = None) -> None:
        self._backbone, self._pair, self._in_colour = backbone, algorithm.pair, algorithm.in_colour
        spec = backbone.spec
        places = len(spec.picked) * (spec.crop or spec.resize) ** 2
        self.batch_windows = max(1, min(backbone.batch_windows, _PLACES_A_BATCH // places))
        self._threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(workers or available_cores(), "wtalkit-core", lambda: torch.set_num_threads(1))

    def here(self) -> AbstractContextManager[object]:
        return nullcontext()

    def load(self, images: Images) -> Tensor:
        return torch.from_numpy(images.copy())

    def gray(self, rgb: Tensor) -> Tensor:
        if self._in_colour:
            return rgb
        return torch.stack([torch.from_numpy(to_gray(image)) for image in rgb.numpy()])

    def flow(self, images: Tensor) -> Later:
        arrays = images.numpy()
        count, height, width = arrays.shape[:3]
        fields = torch.empty(count - 1, 2, height, width)
        out = fields.numpy()

        def compute(index: int) -> None:
            out[index] = self._pair(arrays[index], arrays[index + 1])

        return _Fields(fields, [self._pool.submit(compute, index) for index in range(count - 1)])

    def features(self, rgb: Tensor, flow: Tensor | None) -> Future[Rows]:
        return self._pool.submit(_rows, self._backbone, rgb, flow)

    def cancel(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(self._threads)  # a thread's own setting is also what new threads begin with


class GpuCompute:
    """Frames stay on the GPU: flow and networks have streams of their own, so that they overlap.

    The flow of all lanes goes through one solver, which fills the GPU with the pairs of all of them; a thread feeds the
    networks. Rows are handed on only when the GPU is done with what they were made of.

    Args:
        backbone: on the GPU.
        algorithm: of the flow; ``tvl1`` and networks are computed on the GPU, others on the CPU.
        workers: cores for a flow that only the CPU computes.
    """

    chunk_frames = 64
    chunks_ahead = 6  # one video alone shall fill most of the solver's slots

    def __init__(self, backbone: MakesFeatures, algorithm: FlowAlgorithm, workers: int | None = None) -> None:
        self._backbone, self.device = backbone, backbone.device
        self.batch_windows = backbone.batch_windows
        self._in_colour = algorithm.in_colour
        self._fields = None if algorithm.on is None else algorithm.on(self.device)
        on_gpu = algorithm.name in ("tvl1", "none") or self._fields is not None
        self._cpu = None if on_gpu else CpuCompute(backbone, algorithm, workers)
        self._network_thread = ThreadPoolExecutor(1, "wtalkit-backbone")
        self._network_stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        self._lane_stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    @contextmanager
    def here(self) -> Iterator[None]:
        with torch.cuda.device(self.device), torch.cuda.stream(self._lane_stream):
            yield

    def load(self, images: Images) -> Tensor:
        try:
            rgb = torch.from_numpy(images).to(self.device)
        except torch.OutOfMemoryError as error:
            cause = f"the memory of {self.device} does not suffice for the frames of the videos that are worked on"
            raise DeviceFull(cause, remedy="Free memory on the GPU, or use --device cpu") from error
        self._settle()  # the images are overwritten next
        return rgb

    def gray(self, rgb: Tensor) -> Tensor:
        return rgb if self._in_colour else gray_of(rgb)

    def flow(self, images: Tensor) -> Later:
        if self._cpu is not None:
            return _Moved(self._cpu.flow(images.cpu()), self.device)
        if self._fields is not None:
            self._settle()  # another stream reads them
            return self._network_thread.submit(self._flow, images)
        height, width = images.shape[1:]
        return solver_for(height, width, None, self.device).submit(images[:-1], images[1:])

    def features(self, rgb: Tensor, flow: Tensor | None) -> Future[Rows]:
        self._settle()  # another stream reads them
        return self._network_thread.submit(self._features, rgb, flow)

    def cancel(self) -> None:
        self._network_thread.shutdown(wait=False, cancel_futures=True)
        if self._cpu is not None:
            self._cpu.cancel()

    def close(self) -> None:
        self._network_thread.shutdown(wait=True, cancel_futures=True)
        if self._cpu is not None:
            self._cpu.close()

    def _flow(self, images: Tensor) -> Tensor:
        assert self._fields is not None
        with torch.cuda.device(self.device), torch.cuda.stream(self._network_stream):
            fields = self._fields(images)
            fields.record_stream(self._lane_stream)  # where windows are cut out of them
            self._network_stream.synchronize()
            return fields

    def _features(self, rgb: Tensor, flow: Tensor | None) -> Rows:
        with torch.cuda.device(self.device), torch.cuda.stream(self._network_stream):
            return _rows(self._backbone, rgb, flow)  # waits for the GPU, so the windows' memory can be used anew

    def _settle(self) -> None:
        """Wait for the calling thread's own operations."""
        torch.cuda.current_stream(self.device).synchronize()


def lanes_that_fit(device: torch.device) -> int:
    """Videos whose frames, flow and windows fit the device's memory at once, beside the solver and the networks."""
    if device.type != "cuda":
        return _MANY
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(free / 2 // _LANE_BYTES))


def compute_for(backbone: MakesFeatures, algorithm: FlowAlgorithm, workers: int | None = None) -> Compute:
    """The one for the device that the backbone is on."""
    if backbone.device.type == "cuda":
        return GpuCompute(backbone, algorithm, workers)
    return CpuCompute(backbone, algorithm, workers)


def gray_of(rgb: Tensor) -> Tensor:
    """Grey images uint8 ``[n, H, W]`` of frames ``[n, H, W, 3]``, to the last bit those of OpenCV's ``cvtColor``."""
    total = sum(rgb[..., channel].int() * weight for channel, weight in enumerate(_GRAY_WEIGHTS))
    assert isinstance(total, Tensor)
    return ((total + (1 << _GRAY_SHIFT - 1)) >> _GRAY_SHIFT).byte()


class _Fields:
    """Fields that several threads fill."""

    def __init__(self, fields: Tensor, pairs: list[Future[None]]) -> None:
        self._fields, self._pairs = fields, pairs

    def result(self) -> Tensor:
        for pair in self._pairs:
            pair.result()
        return self._fields


class _Moved:
    """What was computed on the CPU, on the device."""

    def __init__(self, found: Later, device: torch.device) -> None:
        self._found, self._device = found, device

    def result(self) -> Tensor:
        return self._found.result().to(self._device)


def _rows(backbone: MakesFeatures, rgb: Tensor, flow: Tensor | None) -> Rows:
    rows: Rows = backbone.features(rgb, flow).cpu().numpy()
    return rows
