"""The streams of a backbone side by side on a GPU, recorded once as a CUDA graph and replayed.

A graph leaves the processor free (one call instead of some hundred launches a batch) and needs no warm-up to speak of.
``torch.compile`` would fuse a little more, but wants a C compiler on the user's machine and minutes for each size.

Graphs are of fixed sizes: the whole batch, a quarter, a sixteenth, ...; what is left over at the end of a video takes
the smallest that holds it. Clips are cropped, coded and laid out straight into the graph's input: they have to be
copied there anyway, so this is the one pass over them, and pictures of any size share a graph where there is a crop.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wtalkit.backbones.i3d_inference import I3DInference
from wtalkit.backbones.specs import Stream
from wtalkit.backbones.stem import StemLayout
from wtalkit.capturing import CAPTURING

Levels = Mapping[Stream, Tensor]  # (B, T, H, W, C), 0 to 255

_MOST_GRAPHS = 12
"""Recorded at once; the one that was not used for longest is dropped."""


@dataclass(frozen=True)
class Clips:
    """Memory in the layout of the first convolution."""

    memory: Tensor
    layout: StemLayout


Sides = list["torch.cuda.Stream | None"]


def graph_size(count: int, most: int) -> int:
    """The smallest of ``most``, a quarter of it, a quarter of that, ... that holds ``count`` windows."""
    size = most
    while size >= 4 and size // 4 >= count:
        size //= 4
    return size


def side_by_side(networks: Mapping[Stream, I3DInference], clips: Mapping[Stream, Clips], sides: Sides) -> Tensor:
    """Features of all streams ``[B, D]``, each stream of the backbone on a CUDA stream of its own."""
    first = next(iter(clips.values())).memory
    dims = [networks[name].feature_dim for name in clips]
    out = torch.empty(len(first), sum(dims), device=first.device)  # written from all streams, waited for on this one
    main = torch.cuda.current_stream(first.device)
    for (name, clip), part, side in reversed(
        list(zip(clips.items(), out.split_with_sizes(dims, dim=1), sides, strict=True))
    ):
        if side is None:
            part.copy_(networks[name].features(clip.memory, clip.layout))
            continue
        side.wait_stream(main)
        with torch.cuda.stream(side):
            part.copy_(networks[name].features(clip.memory, clip.layout))
    for side in sides:
        if side is not None:
            main.wait_stream(side)
    return out


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    clips: dict[Stream, Clips]
    out: Tensor


class CudaStreams:
    """Runs the streams of a backbone on a GPU.

    Args:
        networks: by stream.
        device: a CUDA device.
        graphs: record and replay; else launch anew each time.
    """

    def __init__(self, networks: Mapping[Stream, I3DInference], device: torch.device, *, graphs: bool) -> None:
        self._networks, self._device, self._graphs = networks, device, graphs
        self._sides: Sides = [None, *(_stream(device) for _ in range(len(networks) - 1))]
        self._recorded: OrderedDict[tuple[int, tuple[int, ...]], _Recorded] = OrderedDict()
        # Streams of priority come from a pool of their own: no lane's or solver's is the same one by chance.
        self._apart = torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._used = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()

    def features(self, levels: Levels, most: int) -> Tensor:
        """Features ``[B, D]`` of ``B <= most`` clips; the device is not waited for."""
        with self._lock, torch.cuda.device(self._device):
            stream = torch.cuda.current_stream()
            stream.wait_event(self._used)  # graphs share memory, so each waits for the one before
            out = self._replay(levels, most) if self._graphs else self._launch(levels)
            self._used.record(stream)
        return out

    def clear(self) -> None:
        """Give back all memory that is held."""
        with self._lock, CAPTURING:
            torch.cuda.synchronize(self._device)
            self._recorded.clear()
            for network in self._networks.values():
                network.zeros.clear()
            self._pool = torch.cuda.graph_pool_handle()
            torch.cuda.empty_cache()

    def _replay(self, levels: Levels, most: int) -> Tensor:
        first = next(iter(levels.values()))
        count, size = len(first), graph_size(len(first), most)
        key = size, tuple(first.shape[1:4])
        if key not in self._recorded:
            while len(self._recorded) >= _MOST_GRAPHS:
                with CAPTURING:
                    torch.cuda.synchronize(self._device)
                    self._recorded.popitem(last=False)
            with CAPTURING:
                self._recorded[key] = self._record(levels, size)
        self._recorded.move_to_end(key)
        recorded = self._recorded[key]
        for name, clip in recorded.clips.items():  # rows behind keep old clips: computed, and not looked at
            clip.layout.write(levels[name], clip.memory[:count])
        recorded.graph.replay()
        return recorded.out[:count].clone()

    def _launch(self, levels: Levels) -> Tensor:
        clips = self._clips(levels, len(next(iter(levels.values()))))
        for name, clip in clips.items():
            clip.layout.write(levels[name], clip.memory)
        return side_by_side(self._networks, clips, self._sides)

    def _clips(self, levels: Levels, count: int) -> dict[Stream, Clips]:
        found: dict[Stream, Clips] = {}
        for name, value in levels.items():
            network = self._networks[name]
            frames, height, width = value.shape[1:4]
            layout = network.layout((frames, height, width))
            found[name] = Clips(layout.allocate(count, self._device, network.dtype), layout)
        return found

    def _record(self, levels: Levels, size: int) -> _Recorded:
        clips = self._clips(levels, size)
        current, apart = torch.cuda.current_stream(), self._apart
        apart.wait_stream(current)
        with torch.cuda.stream(apart):  # cuDNN chooses its algorithms here
            for _ in range(2):
                side_by_side(self._networks, clips, self._sides)
        current.wait_stream(apart)
        current.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads may use the device meanwhile, to decode or to compute flow.
            # One stream for all recordings that share memory; by default it would be one of the first GPU.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._apart, capture_error_mode="thread_local"):
                out = side_by_side(self._networks, clips, self._sides)
        except RuntimeError as error:
            # A recording that memory ran out in may leave the allocator as if it went on: no more of them.
            lack = error if isinstance(error, torch.OutOfMemoryError) else error.__context__
            if isinstance(lack, torch.OutOfMemoryError):  # hidden by the end of a broken recording
                self._graphs = False
                raise lack from None
            raise
        return _Recorded(graph, clips, out)


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
