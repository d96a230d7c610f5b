"""Memory does not grow with the length of a video.

Five minutes against one by default; ``WTALKIT_MINUTES=60`` for the measurement of docs/benchmarks.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from wtalkit.bench.clips import write_clip
from wtalkit.video import Decoder

_MEASURE = """
import resource, sys
from wtalkit.cli import main
options = ["--backbone", "i3d-mini", "--flow", "dis", "--stride", sys.argv[3], "--quiet"]
code = main(["extract", sys.argv[1], "--out", sys.argv[2], *options])
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_mb(video: Path, out: Path, stride: int) -> float:
    """Peak resident memory of the extraction, in MB."""
    command = [sys.executable, "-c", _MEASURE, str(video), str(out), str(stride)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, kilobytes = map(int, done.stdout.split()[-2:])
    assert code == 0, done.stderr
    return kilobytes / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts in kilobytes on Linux only")
def test_a_long_video_needs_no_more_than_a_short_one(tmp_path: Path) -> None:
    """The strides are such that both videos keep both stages busy for a while."""
    minutes = int(os.environ.get("WTALKIT_MINUTES", "5"))
    fps = Fraction(25, 2)
    write_clip(tmp_path / "short.mp4", frames=round(60 * fps), width=128, height=96, fps=fps)
    write_clip(tmp_path / "long.mp4", frames=round(60 * minutes * fps), width=128, height=96, fps=fps)
    short = peak_mb(tmp_path / "short.mp4", tmp_path / "short", 4)
    long = peak_mb(tmp_path / "long.mp4", tmp_path / "long", 16)
    print(f"\n1 minute: {short:.0f} MB; {minutes} minutes: {long:.0f} MB")
    assert long <= 1.1 * short


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nor_does_its_decoder(tmp_path: Path) -> None:
    peaks = []
    for seconds in (20, 200):
        path = tmp_path / f"{seconds}.mp4"
        write_clip(path, frames=seconds * 25, width=128, height=96, fps=Fraction(25))
        decoder = Decoder()
        with decoder.decode(path, 25) as decoding:
            for _ in decoding:
                pass
        assert decoder._process is not None
        status = Path(f"/proc/{decoder._process._child.pid}/status").read_text()
        peaks.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        decoder.close()
    print(f"\ndecoder, 20 s: {peaks[0]:.0f} MB; 200 s: {peaks[1]:.0f} MB")
    assert peaks[1] <= 1.1 * peaks[0]
