"""``wtalkit extract``: videos to a folder of features."""

from __future__ import annotations

import shutil
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import (
    MAX_FPS,
    MAX_HOURS,
    MAX_MEMORY,
    MAX_PIXELS,
    MAX_STREAMS,
    TIMEOUT_S,
    Address,
    Debug,
    Device,
    DeviceName,
    DryRun,
    EngineName,
    EngineOption,
    LogJson,
    MaxFps,
    MaxHours,
    MaxMemory,
    MaxPixels,
    MaxStreams,
    Offline,
    Quiet,
    Shard,
    Timeout,
    Verbose,
    VideoInputs,
)
from wtalkit.cli.terminal import Terminal, count
from wtalkit.cores import available_cores

if TYPE_CHECKING:
    from wtalkit.cli.progress import VideoProgress
    from wtalkit.inputs import Input
    from wtalkit.project import Project


class OnPartial(StrEnum):
    """What to do with a damaged video."""

    error = "error"
    keep = "keep"
    skip = "skip"


class Precision(StrEnum):
    """Numbers that the network computes in."""

    auto = "auto"
    float32 = "float32"
    tf32 = "tf32"
    float16 = "float16"
    bfloat16 = "bfloat16"


def command(
    inputs: VideoInputs,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the features.")],
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="B",
            help="Network: i3d, i3d-mini, slow_r50, x3d_m, swin3d_t ... Default: wtalkit.toml, else i3d.",
            show_default=False,
        ),
    ] = None,
    flow: Annotated[
        str | None,
        typer.Option(
            metavar="F",
            help="Optical flow: tvl1, dis, raft, raft-small or none. Default: wtalkit.toml, else tvl1.",
            show_default=False,
        ),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(metavar="N", help="Frames per second. Default: the backbone's.", min=0.01)
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(metavar="N", help="Frames from one snippet to the next. Default: the backbone's.", min=1),
    ] = None,
    device: Device = DeviceName.auto,
    precision: Annotated[
        Precision, typer.Option(help="Numbers that the network computes in; auto: float16 on a GPU, else float32.")
    ] = Precision.auto,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Cores for computing on the CPU. Default: all.", min=1)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Extract again what is there.")] = False,
    on_partial: Annotated[
        OnPartial, typer.Option(help="Damaged videos fail, are kept as far as they go, or are left out.")
    ] = OnPartial.error,
    engine: EngineOption = EngineName.local,
    address: Address = None,
    shard: Shard = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    max_fps: MaxFps = MAX_FPS,
    max_hours: MaxHours = MAX_HOURS,
    max_streams: MaxStreams = MAX_STREAMS,
    max_memory: MaxMemory = MAX_MEMORY,
    timeout: Timeout = TIMEOUT_S,
    offline: Offline = False,
    dry_run: DryRun = False,
    log_json: LogJson = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Turn videos into features.

    Decoding, optical flow and the backbone run at the same time; nothing but the features touches the disk.
    What became of each video is written to DIR/status.jsonl; the same command again does only what is missing.
    """
    from wtalkit import extract
    from wtalkit.backbones import load_backbone
    from wtalkit.cli.dry_run import of_extraction
    from wtalkit.cli.fetching import shown
    from wtalkit.cli.progress import VideoProgress
    from wtalkit.cli.summary import summarize
    from wtalkit.extraction import VideoFeaturizer, devices_for
    from wtalkit.extraction.sharding import parse_shard
    from wtalkit.extraction.sharding import shard as take_shard
    from wtalkit.flow import check_flow, get_flow
    from wtalkit.inputs import gather
    from wtalkit.project import Project
    from wtalkit.status import STATUS_FILE
    from wtalkit.timeline import Timeline
    from wtalkit.video import Limits
    from wtalkit.zoo import choose_backbone, fetch_weights

    terminal = Terminal(quiet=quiet, verbose=verbose, log_json=log_json)
    project = Project.load()
    flow = flow or project.settings.flow or "tvl1"
    check_flow(flow)
    part = None if shard is None else parse_shard(shard)
    found, missing = gather(inputs)
    if part is not None:
        found = tuple(take_shard(found, *part))
    with shown(terminal) as fetching:
        choice = choose_backbone(backbone, project, offline=offline, progress=fetching)
        fetch_weights(choice.name, flow, offline=offline, progress=fetching)
    with terminal.status("loading"):
        loaded, *replicas = (
            load_backbone(choice.name, flow=flow, device=each, offline=offline, precision=precision.value)
            for each in devices_for(device.value if engine == EngineName.local else "cpu")
        )
    cores = f", {count(available_cores(), 'core')}" if loaded.device.type == "cpu" else ""
    gpus = f" and {count(len(replicas), 'more GPU')}" if replicas else ""
    where = f"{loaded.device}{cores}{gpus}" if engine == EngineName.local else f"Ray, {address or 'on this machine'}"
    with_flow = f" + {flow}" if "flow" in loaded.streams else ""
    terminal.remark(f"features {choice.name} ({choice.reason}){with_flow} · {where}")
    for warning in (choice.warning, *loaded.warnings):
        if warning:
            terminal.warn(warning)
    for failure in missing:
        terminal.fail(f"{failure.path}: {failure.cause}")
    limits = Limits(max_pixels, max_fps, max_hours, max_streams, max_memory)
    if dry_run:
        featurizer = VideoFeaturizer(
            loaded, get_flow(flow if "flow" in loaded.streams else "none", offline=offline), fps=fps, stride=stride,
            workers=workers, limits=limits, patience_s=timeout, replicas=replicas,
        )  # fmt: skip
        return of_extraction(terminal, featurizer, found, missing, out=out, overwrite=overwrite)
    with VideoProgress(terminal, total=len(found)) as progress:
        if len(found) > 1:
            timeline = Timeline(fps or loaded.spec.fps, loaded.spec.window, stride or loaded.spec.stride)
            progress.look_ahead(
                found, timeline, partial(_warn_of_little_space, terminal, out, loaded.dim, _bytes_in(out))
            )
        try:
            result = extract(
                [*missing, *found], out, backbone=loaded, replicas=replicas, flow=flow, fps=fps, stride=stride,
                device=device.value, precision=precision.value, workers=workers, overwrite=overwrite,
                on_partial=on_partial.value, limits=limits,
                timeout_s=timeout, offline=offline, engine=engine.value, address=address, progress=progress.update,
                started=progress.start, finished=partial(_show, progress),
            )  # fmt: skip
        except KeyboardInterrupt:
            left = len(found) - progress.through
            terminal.fail(f"stopped: {count(progress.succeeded, 'video')} done, {left} left. The same command goes on.")
            return 130
    summarize(terminal, result.statuses, out / STATUS_FILE)
    failed = len(result.failed)
    parts = [f"{count(len(result.done), 'video')} extracted to {out}"]
    parts += [f"{len(result.skipped)} already there"] * bool(result.skipped)
    parts += [f"{len(result.partial)} damaged and left out"] * bool(result.partial)
    parts += [f"{failed} failed"] * bool(failed)
    terminal.next_step(f"{', '.join(parts)}. Next: {_next(project, out, anything=bool(result.done or result.skipped))}")
    return 1 if failed else 0


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.npy")) if folder.is_dir() else 0


def _warn_of_little_space(terminal: Terminal, out: Path, dim: int, there: int, snippets: int) -> None:
    """Say early that the disk is too small for what is to come."""
    folder = next((each for each in (out, *out.absolute().parents) if each.is_dir()), Path())
    need, free = snippets * dim * 4 - there, shutil.disk_usage(folder).free
    if need > free:
        terminal.warn(f"the features need about {need / 1e9:.2g} GB more, {free / 1e9:.2g} GB are free in {folder}")


def _show(progress: VideoProgress, video: Input, outcome: str) -> None:
    """What became of one video."""
    if outcome == "done":
        progress.done(video)
    elif outcome == "skipped":
        progress.skipped(video, "is there already")
    elif outcome == "busy":
        progress.postponed(video)
    elif outcome == "partial":
        progress.failed(video, f"{video.path}: damaged, left out")
    else:
        progress.failed(video, f"{video.path}: {outcome}")


def _next(project: Project, out: Path, *, anything: bool) -> str:
    if not anything:
        return "see what the messages above ask for"
    features = "" if Path(out).resolve() == project.features.resolve() else f" --features {out}"
    if project.annotations.exists():
        return f"wtalkit train --method clasnet{features}"
    return (
        f"write what happens in each video to labels.csv (video,label), then wtalkit train --method clasnet{features}"
    )
