"""Pre-train i3d-mini, both streams, on trimmed clips that the sample project's renderer makes.

    python models/i3d-mini/pretrain.py clips  --cache cache/i3d-mini     render clips, compute and cache their flow
    python models/i3d-mini/pretrain.py train  --cache cache/i3d-mini --stream rgb     (and --stream flow)
    python models/i3d-mini/pretrain.py export --cache cache/i3d-mini     write rgb.safetensors and flow.safetensors

Every step resumes where it was interrupted. The classes are all of the renderer's actions except those sample targets
that the backbone must not have seen, plus "idle": what figures do between actions. Clips pass through the video codec
and through the same preprocessing as extraction.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "samples")]

from renderer import plan  # noqa: E402
from renderer.encode import through_codec  # noqa: E402

from wtalkit.backbones import InceptionI3D  # noqa: E402
from wtalkit.backbones.preprocess import to_gray  # noqa: E402
from wtalkit.backbones.specs import BACKBONES  # noqa: E402

SPEC = BACKBONES["i3d-mini"]
CLASSES = plan.pretraining_classes()
FRAMES = 20  # a window of 16 flow fields needs 17 frames; the rest is room for shifting it
CHUNK = 155
CROP = (88, 120)  # of 96x128: shifts the picture, and trains a tenth faster
SEED = 1_000_003  # no sample project uses it


def render_chunk(args: tuple[str, int, str]) -> int:
    """Render, encode, decode, resize and compute the flow of one chunk of clips."""
    import cv2

    from wtalkit.flow import get_flow
    from wtalkit.video import resize_short_side

    cv2.setNumThreads(1)
    folder, chunk, flow_name = Path(args[0]), args[1], args[2]
    target = folder / f"{flow_name}_{chunk:04d}.npy"
    pictures_file = folder / f"rgb_{chunk:04d}.npy"
    if target.exists():
        return chunk
    algorithm = get_flow(flow_name)
    if pictures_file.exists():
        rgb = np.load(pictures_file)
    else:
        rgb = np.empty((CHUNK, FRAMES, 96, 128, 3), np.uint8)
        for i in range(CHUNK):
            rng = np.random.default_rng([SEED, chunk, i])
            stage, start = plan.clip(rng, CLASSES[(chunk * CHUNK + i) % len(CLASSES)], FRAMES / SPEC.fps)
            pictures = [stage.picture(start + k / SPEC.fps) for k in range(FRAMES)]
            rgb[i] = [resize_short_side(p, SPEC.resize) for p in through_codec(pictures, int(rng.integers(20, 32)))]
        _save(pictures_file, rgb)
    flow = np.empty((CHUNK, FRAMES - 1, 2, 96, 128), np.uint8)
    for i in range(CHUNK):
        gray = [to_gray(frame) for frame in rgb[i]]
        for k in range(FRAMES - 1):
            flow[i, k] = coded(algorithm.pair(gray[k], gray[k + 1]))
    _save(target, flow)
    return chunk


def coded(flow: np.ndarray) -> np.ndarray:
    """8-bit coding of flow in pixels, as ``preprocess_flow`` does it."""
    bound = SPEC.flow_bound_px
    return np.clip(np.round(flow * (255 / (2 * bound)) + 128), 0, 255).astype(np.uint8)


def _save(path: Path, array: np.ndarray) -> None:
    partial = path.with_suffix(".part")
    with partial.open("wb") as handle:
        np.save(handle, array)
    partial.replace(path)


def make_clips(cache: Path, chunks: int, flow: str, workers: int) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    jobs = [(str(cache), chunk, flow) for chunk in range(chunks)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done, _ in enumerate(pool.map(render_chunk, jobs), start=1):
            print(f"{done}/{chunks} chunks of {CHUNK} clips, {time.monotonic() - started:.0f} s", flush=True)


@dataclass(frozen=True)
class Clips:
    """Cached clips of one stream, opened mapped."""

    arrays: list[np.ndarray]
    stream: str

    @classmethod
    def open(cls, cache: Path, stream: str, prefix: str, held_out: bool) -> Clips:
        """The last chunk is held out for checking."""
        files = sorted(cache.glob(f"{prefix}_*.npy"))
        files = files[-1:] if held_out else files[:-1]
        return cls([np.load(f, mmap_mode="r") for f in files], stream)

    def __len__(self) -> int:
        return CHUNK * len(self.arrays)

    def label(self, index: int, first_chunk: int = 0) -> int:
        return (first_chunk * CHUNK + index) % len(CLASSES)

    def clip(self, index: int, offset: int, top: int, left: int, flip: bool) -> np.ndarray:
        """uint8 [channels, 16, h, w]."""
        window = self.arrays[index // CHUNK][index % CHUNK, offset : offset + SPEC.window]
        height, width = CROP
        if self.stream == "rgb":
            window = window[:, top : top + height, left : left + width].transpose(3, 0, 1, 2)
            return window[..., ::-1] if flip else window
        window = window[:, :, top : top + height, left : left + width].transpose(1, 0, 2, 3)
        if flip:  # a mirrored world moves the other way
            window = window[..., ::-1].copy()
            window[0] = np.clip(256 - window[0].astype(np.int16), 0, 255).astype(np.uint8)
        return window


def batches(clips: Clips, rng: np.random.Generator, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless random batches: shifted in time and place, mirrored, brightness varied. uint8 scaled to [-1, 1]."""
    while True:
        order = rng.permutation(len(clips))
        for at in range(0, len(order) - size + 1, size):
            picked = order[at : at + size]
            stack = [
                clips.clip(
                    int(i),
                    int(rng.integers(0, 4)),
                    int(rng.integers(0, 9)),
                    int(rng.integers(0, 9)),
                    rng.random() < 0.5,
                )
                for i in picked
            ]
            x = torch.from_numpy(np.stack(stack)).float().mul_(2 / 255).sub_(1)
            if clips.stream == "rgb":
                gain = torch.from_numpy(rng.uniform(0.75, 1.25, (size, 1, 1, 1, 1))).float()
                lift = torch.from_numpy(rng.uniform(-0.15, 0.15, (size, 1, 1, 1, 1))).float()
                x = (x * gain + lift).clamp_(-1, 1)
            yield x, torch.tensor([clips.label(int(i)) for i in picked])


def accuracy(model: nn.Module, clips: Clips, first_chunk: int) -> float:
    """Share of held-out clips classified rightly."""
    model.eval()
    right = 0
    with torch.inference_mode():
        for at in range(0, len(clips), 31):
            stack = np.stack([clips.clip(i, 2, 4, 4, False) for i in range(at, min(at + 31, len(clips)))])
            x = torch.from_numpy(stack).float().mul_(2 / 255).sub_(1)
            guess = model(x.contiguous(memory_format=torch.channels_last_3d)).mean(-1).argmax(1)
            right += sum(int(g) == clips.label(at + i, first_chunk) for i, g in enumerate(guess))
    model.train()
    return right / len(clips)


def train(
    cache: Path, stream: str, prefix: str, steps: int, batch: int, threads: int, lr: float, tag: str, start: str | None
) -> None:
    """One-cycle AdamW. RGB learns only when the background fades in: less and less of the clip's mean is taken away."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    clips = Clips.open(cache, stream, prefix, held_out=False)
    check = Clips.open(cache, stream, prefix, held_out=True)
    model = InceptionI3D({"rgb": 3, "flow": 2}[stream], num_classes=len(CLASSES), width=SPEC.width)
    model = model.to(memory_format=torch.channels_last_3d)
    state_file, log = cache / f"state_{stream}{tag}.pt", cache / f"log_{stream}{tag}.jsonl"
    if start is not None:
        model.load_state_dict(torch.load(start, weights_only=True)["model"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.15)
    first = 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]
    rng = np.random.default_rng([1, first])
    feed = batches(clips, rng, batch)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    started, running = time.monotonic(), 0.0
    for step in range(first, steps):
        x, labels = next(feed)
        if stream == "rgb" and start is None:
            fade = max(0.0, 1 - step / (0.4 * steps))
            x = x - fade * x.mean(dim=2, keepdim=True)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x.contiguous(memory_format=torch.channels_last_3d)).mean(-1), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        running += loss.item()
        if (step + 1) % 50 == 0 or step + 1 == steps:
            line = {"step": step + 1, "loss": running / 50, "s": round(time.monotonic() - started, 1)}
            running = 0.0
            if (step + 1) % 250 == 0 or step + 1 == steps:
                line["held_out_accuracy"] = accuracy(model, check, len(clips.arrays))
                state = {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "step": step + 1,
                }
                torch.save(state, state_file.with_suffix(".part"))
                state_file.with_suffix(".part").replace(state_file)
            with log.open("a") as handle:
                handle.write(json.dumps(line) + "\n")
            print(stream, line, flush=True)


def export(cache: Path, tag: dict[str, str]) -> None:
    """Write the weights as safetensors with what they are in the header."""
    from safetensors.torch import save_file

    for stream in ("rgb", "flow"):
        weights = torch.load(cache / f"state_{stream}{tag[stream]}.pt", weights_only=True)["model"]
        header = {"backbone": SPEC.name, "stream": stream, "width": str(SPEC.width), "classes": json.dumps(CLASSES)}
        save_file({k: v.contiguous() for k, v in weights.items()}, HERE / f"{stream}.safetensors", metadata=header)
        print(HERE / f"{stream}.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description="Pre-train i3d-mini on rendered clips.")
    parser.add_argument("what", choices=["clips", "train", "export"])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--chunks", type=int, default=40, help=f"chunks of {CHUNK} clips")
    parser.add_argument("--flow", default="dis", help="flow algorithm of the clips")
    parser.add_argument("--stream", choices=["rgb", "flow"])
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tag", default="", help="suffix of the state and log files")
    parser.add_argument("--tags", default=",", help="for export: suffix of rgb, suffix of flow")
    parser.add_argument("--start", help="state file to start from (fine-tuning)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if args.what == "clips":
        make_clips(args.cache, args.chunks, args.flow, args.workers)
    elif args.what == "train":
        prefix = "rgb" if args.stream == "rgb" else args.flow
        train(args.cache, args.stream, prefix, args.steps, args.batch, args.threads, args.lr, args.tag, args.start)
    else:
        rgb, flow = args.tags.split(",")
        export(args.cache, {"rgb": rgb, "flow": flow})


if __name__ == "__main__":
    main()
