"""What the compiled parts say of themselves, the devices, the folders and the terminal."""

from __future__ import annotations

import locale
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wtalkit.cores import available_cores
from wtalkit.diagnosis.finding import Finding
from wtalkit.diagnosis.packages import installed

_LITTLE_SPACE = 1 << 30
_LITTLE_MEMORY = 2 << 30


def look_at_builds() -> Iterator[Finding]:
    """The compiled packages, by importing them."""
    yield from _av()
    yield from _cv2()
    yield from _torch()


def look_at_storage() -> Iterator[Finding]:
    """The cache of weights, what is bundled, and the space there is."""
    from wtalkit.zoo import bundled_dir, bundled_models, cache_dir, demo_video

    yield _cache(cache_dir())
    models = bundled_models()
    if models and demo_video().is_file():
        yield Finding("storage", "bundled", f"{bundled_dir()}: {', '.join(models)}")
    else:
        what = "no model" if not models else "no video for the demo"
        yield Finding("storage", "bundled", f"{bundled_dir()}: {what}", f"{what} is there", "Install wtalkit again")
    for what, folder in (("disk", Path.cwd()), ("temporary", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        text = f"{_gigabytes(free)} free in {folder}"
        if free < _LITTLE_SPACE:
            yield Finding("storage", what, text, "there is little space left", "Free some", breaks=False)
        else:
            yield Finding("storage", what, text)


def look_at_terminal() -> Iterator[Finding]:
    """Encoding and screen: what names of files and actions come out as."""
    encodings = {sys.stdout.encoding or "none", sys.getfilesystemencoding(), locale.getpreferredencoding(False)}
    text = f"{os.environ.get('LC_ALL') or os.environ.get('LC_CTYPE') or os.environ.get('LANG') or 'no locale set'}, "
    text += " and ".join(sorted(encodings))
    if all(each.lower().replace("-", "") == "utf8" for each in encodings):
        yield Finding("terminal", "locale", text)
    else:
        remedy = "Set LC_ALL=C.UTF-8"
        yield Finding("terminal", "locale", text, "names beyond ASCII are shown escaped", remedy, breaks=False)
    size = shutil.get_terminal_size()
    live = f"{size.columns} columns, bars move" if sys.stderr.isatty() else "no terminal: lines in place of bars"
    yield Finding("terminal", "screen", live)


def _av() -> Iterator[Finding]:
    remedy = "Install it again with: pip install --force-reinstall av"
    try:
        import av
    except ImportError as error:
        yield Finding("builds", "av", "does not import", str(error), remedy)
        return
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    yield Finding("builds", "FFmpeg in av", f"libavcodec {codec}")


def _cv2() -> Iterator[Finding]:
    remedy = "Uninstall every opencv package, then pip install opencv-contrib-python-headless"
    try:
        import cv2
    except ImportError as error:
        yield Finding("builds", "cv2", "does not import", str(error), remedy)
        return
    # Never used for decoding, but another parser of foreign files in the same process.
    match = re.search(r"avcodec:\s*YES\s*\(([\d.]+)\)", cv2.getBuildInformation())
    yield Finding("builds", "FFmpeg in cv2", f"libavcodec {match[1]}, not used" if match else "none")
    if not hasattr(cv2, "optflow"):
        yield Finding("builds", "cv2", cv2.__version__, "it has no optflow: another OpenCV is in the way", remedy)
    elif sys.platform == "darwin" and match:
        problem = "av and cv2 bring an FFmpeg each, whose classes clash on macOS"
        yield Finding("builds", "cv2", cv2.__version__, problem, breaks=False)


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("builds", "torch", "does not import", str(error), "Install torch again")
        return
    cuda = torch.version.cuda
    cudnn: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    yield Finding("builds", "torch built for", f"CUDA {cuda}, cuDNN {cudnn or 'missing'}" if cuda else "CPU")
    yield from _torchvision()
    yield _cpu(torch.get_num_threads())
    for index in range(torch.cuda.device_count()):
        name = torch.cuda.get_device_name(index)
        try:
            free, total = torch.cuda.mem_get_info(index)
        except RuntimeError as error:
            cause = str(error).splitlines()[0]
            yield Finding("devices", f"cuda:{index}", name, f"does not answer ({cause})", "Use --device cpu")
            continue
        yield Finding("devices", f"cuda:{index}", f"{name}, {_gigabytes(free)} of {_gigabytes(total)} free")
    if torch.cuda.device_count() == 0 and Path("/proc/driver/nvidia/version").exists():
        problem = "there is an NVIDIA driver, but torch finds no GPU"
        built = "is built for CPU" if cuda is None else f"needs a driver that knows CUDA {cuda}"
        remedy = f"This torch {built}; install one that fits, or compute on the CPU"
        yield Finding("devices", "cuda", "none", problem, remedy, breaks=False)


def _torchvision() -> Iterator[Finding]:
    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError) as error:
        yield Finding("builds", "torchvision", "does not import", str(error), "Install torchvision again")
    except RuntimeError as error:  # "operator torchvision::nms does not exist": built for another torch
        both = f"torch {installed('torch')} and torchvision {installed('torchvision')}"
        remedy = "Install both anew, from one place"
        yield Finding("builds", "torchvision", both, f"{both} do not fit together ({error})", remedy)


def _cpu(threads: int) -> Finding:
    text = f"{platform.machine()}, {available_cores()} cores, {threads} threads"
    total, free = _memory()
    if total is None or free is None:
        return Finding("devices", "cpu", text)
    text += f", {_gigabytes(free)} of {_gigabytes(total)} free"
    if free < _LITTLE_MEMORY:
        return Finding("devices", "cpu", text, "there is little memory left", "Close other programs", breaks=False)
    return Finding("devices", "cpu", text)


def _memory() -> tuple[int | None, int | None]:
    """Bytes of memory in all, and those that a program could get; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None, None
    known = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    return known.get("MemTotal"), known.get("MemAvailable")


def _cache(folder: Path) -> Finding:
    weights = sorted(path for path in (folder / "weights").glob("*/*") if path.is_file())
    size = sum(path.stat().st_size for path in weights)
    if weights:
        names = ", ".join(dict.fromkeys(path.parent.name for path in weights))
        text = f"{folder}: weights of {names}, {size / 1e6:.0f} MB"
    else:
        text = f"{folder}: {'no weights' if folder.is_dir() else 'not there yet'}; wtalkit models pull i3d gets some"
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        remedy = "Let WTALKIT_CACHE name a folder that can be"
        return Finding("storage", "cache", text, "cannot be written to", remedy, breaks=False)
    return Finding("storage", "cache", text)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
