"""Acceptance case 14: a video of six hours, read from its first frame to its last in the memory of a short one.

One hour by default; the six with ``pytest -m exhaustive tests/faults/test_cases_long.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.faults.runs import temporaries
from tests.faults.videos import write_numbered

_MEASURE = """
import resource, sys
from pathlib import Path
from wtalkit.cli import main
from wtalkit.cli.progress import VideoProgress
from tests.faults.runs import children, peak_bytes

shown, decoders = VideoProgress.done, []

def done(self, *rest):
    decoders.extend(map(peak_bytes, children()))
    shown(self, *rest)

VideoProgress.done = done
code = main(["extract", sys.argv[1], "--out", "feats-" + sys.argv[2], "--quiet", "--fps", "1", "--stride", sys.argv[2]])
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, max(decoders) // 2**20)
"""
GROWTH = 1.1
"""What docs/benchmarks.md states of an hour against a minute."""


def write_long(path: Path, seconds: int) -> Path:
    """A frame a second: one minute is encoded, and its packets are copied again and again."""
    minute = write_numbered(path.with_name("minute.mp4"), range(60), fps=1)
    with av.open(minute) as source:
        template = source.streams.video[0]
        packets = [packet for packet in source.demux(template) if packet.dts is not None]
        tick = int(1 / template.time_base)
        times = [(packet.pts, packet.dts) for packet in packets]
        with av.open(path, "w") as target:
            stream = target.add_stream_from_template(template)
            for start in range(0, seconds, 60):
                for packet, (pts, dts) in zip(packets, times, strict=True):
                    packet.pts, packet.dts, packet.stream = pts + start * tick, dts + start * tick, stream
                    packet.time_base = template.time_base
                    target.mux(packet)
                    packet.stream = template
    minute.unlink()
    return path


def peaks_mb(video: Path, stride: int) -> tuple[int, int]:
    """Peak memory of the command and of its decoder; one snippet every ``stride`` seconds."""
    repository = str(Path(__file__).parents[2])
    script = f"import sys; sys.path.insert(0, {repository!r}){_MEASURE}"
    done = subprocess.run(
        [sys.executable, "-c", script, str(video), str(stride)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    code, command, decoder = map(int, done.stdout.split()[-3:])
    assert code == 0, done.stderr
    return command, decoder


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and ru_maxrss counts in kilobytes on Linux only")
@pytest.mark.parametrize("hours", [1, pytest.param(6, marks=pytest.mark.exhaustive)])
def test_case_14_six_hours(hours: int, workplace: Path) -> None:
    """Six hours complete, with every snippet at its time; peak memory of both processes is that of ten minutes."""
    short, long = write_long(Path("short.mp4"), 600), write_long(Path("long.mp4"), hours * 3600)
    # As many snippets of both, so that the network is as busy.
    stride = 12 * hours
    few, many = peaks_mb(short, 2), peaks_mb(long, stride)
    record = json.loads(Path(f"feats-{stride}/long.json").read_text())
    assert (record["complete"], record["gaps"], record["frames"]) == (True, [], hours * 3600)
    assert record["duration_s"] == hours * 3600
    assert len(Path(f"feats-{stride}/long.npy").read_bytes()) == 128 + 4 * 256 * ((hours * 3600 - 16) // stride + 1)
    assert temporaries(Path(f"feats-{stride}")) == []
    print(f"\n10 minutes: {few[0]} MB and {few[1]} MB in its decoder; {hours} hours: {many[0]} MB and {many[1]} MB")
    assert many[0] <= GROWTH * few[0]
    assert many[1] <= GROWTH * few[1]
