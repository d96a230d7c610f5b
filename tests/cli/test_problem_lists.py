"""A file with several faults: one line each on stderr, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from wtalkit.cli import main


def test_a_label_table(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text('video,label\n../x,wave\n"\x1b[31mb",\n')
    Path("found.json").write_text('{"results": {}}')
    assert main(["evaluate", "--predictions", "found.json", "--ground-truth", "labels.csv"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "labels.csv: 2 problems:",
        "  line 2: the video's name '../x' leaves its folder",
        r"  line 3: '\x1b[31mb': a label is empty.",
    ]
