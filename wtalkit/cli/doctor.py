"""``wtalkit doctor``: versions, devices and caches, for finding out why something does not work."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from wtalkit import __version__
from wtalkit.cli.options import Debug, Quiet, Verbose
from wtalkit.cli.terminal import Terminal

PACKAGES = (
    "torch",
    "torchvision",
    "av",
    "opencv-contrib-python-headless",
    "numba",
    "numpy",
    "pytorchvideo",
    "safetensors",
)
OTHER_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")


def command(debug: Debug = False, quiet: Quiet = False, verbose: Verbose = False) -> int:
    """Show versions, devices and caches."""
    from wtalkit.zoo import bundled_dir, bundled_models, cache_dir

    terminal = Terminal(quiet=quiet, verbose=verbose)
    problems: list[str] = []
    rows = [("wtalkit", f"{__version__}, {Path(__file__).parent.parent}")]
    rows.append(("python", f"{platform.python_version()}, {sys.executable}"))
    for name in PACKAGES:
        found = _installed(name)
        rows.append((name, found or "missing"))
        if found is None:
            problems.append(f"{name} is not installed")
    for name in OTHER_OPENCV:
        if _installed(name):
            problems.append(
                f"{name} is installed too and breaks cv2: uninstall it and opencv-contrib-python-headless, "
                "then install the latter again"
            )
    rows += _builds(problems)
    cache = cache_dir()
    rows.append(("cache", f"{cache}{'' if cache.is_dir() else ' (not there yet)'}"))
    rows.append(("bundled", f"{bundled_dir()}: {', '.join(bundled_models()) or 'no model'}"))
    rows.append(("disk", f"{shutil.disk_usage(Path.cwd()).free / 1e9:.0f} GB free here"))
    terminal.table(("what", "found"), rows)
    for problem in problems:
        terminal.fail(problem)
    terminal.next_step(f"{'Something is wrong, see above.' if problems else 'All well. Next: wtalkit demo'}")
    return 3 if problems else 0


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _builds(problems: list[str]) -> list[tuple[str, str]]:
    """What the compiled parts say of themselves."""
    rows = []
    try:
        import av

        rows.append(("FFmpeg in av", ".".join(map(str, av.library_versions["libavcodec"]))))
    except ImportError as error:
        problems.append(f"av does not import: {error}")
    try:
        import cv2

        # Never used for decoding, but another parser of foreign files in the same process.
        rows.append(("FFmpeg in cv2", _ffmpeg_of(cv2.getBuildInformation())))
        if not hasattr(cv2, "optflow"):
            problems.append("cv2 has no optflow: another OpenCV package is in the way")
    except ImportError as error:
        problems.append(f"cv2 does not import: {error}")
    try:
        import torch

        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        built = f"torch built for {'CUDA ' + torch.version.cuda if torch.version.cuda else 'CPU'}"
        rows.append(
            ("devices", f"cpu{''.join(f', {name}' for name in names)} ({built}, {torch.get_num_threads()} threads)")
        )
        import torchvision  # noqa: F401
    except (ImportError, OSError) as error:
        problems.append(f"torch does not import: {error}")
    except RuntimeError as error:  # "operator torchvision::nms does not exist": built for another torch
        both = f"torch {_installed('torch')} and torchvision {_installed('torchvision')}"
        problems.append(f"{both} do not fit together ({error}): install both anew, from one place")
    return rows


def _ffmpeg_of(build: str) -> str:
    """The version of libavcodec in OpenCV's description of itself."""
    match = re.search(r"avcodec:\s*YES\s*\(([\d.]+)\)", build)
    return match[1] if match else "none"
