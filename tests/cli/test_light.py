"""Help must come at once, so nothing heavy may be imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "cv2", "av", "numpy", "numba", "pytorchvideo")
COMMANDS = (
    *("extract", "train", "detect", "evaluate", "compare", "methods", "models", "annotations", "doctor", "bench"),
    *("demo", "import", "check", "report", "export"),
)
SCRIPT = f"""
import sys
import wtalkit
from wtalkit.cli import main
code = main(sys.argv[1:])
print("IMPORTED", [name for name in {HEAVY!r} if name in sys.modules])
sys.exit(code)
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], [], ["models", "list", "--help"], ["annotations", "points", "--help"]],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True)
    assert "IMPORTED []" in done.stdout


def test_nor_for_the_help_of_any_command() -> None:
    calls = "\n".join(f"assert main(['{name}', '--help']) == 0" for name in COMMANDS)
    script = SCRIPT.replace("code = main(sys.argv[1:])", f"{calls}\ncode = 0")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "IMPORTED []" in done.stdout
    assert done.stdout.count("Usage: wtalkit ") == len(COMMANDS)


def test_every_command_has_the_three_options_all_share() -> None:
    done = subprocess.run([sys.executable, "-m", "wtalkit", "--help"], capture_output=True, text=True, check=True)
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
