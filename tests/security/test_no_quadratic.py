"""Files of a few megabytes that are wrong all over: said at once, not after minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wtalkit.annotations import load_annotations
from wtalkit.errors import UsageError
from wtalkit.evaluation import load_predictions
from wtalkit.official import read_classes

SECONDS = 20
"""On a busy machine; what is linear takes less than one."""
MANY = 60_000


def wrong(kind: str) -> str:
    return json.dumps({kind: {f"video {number}": number for number in range(MANY)}}, indent=1)


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("annotations.json", wrong("database"), load_annotations),
        ("predictions.json", wrong("results"), load_predictions),
        ("labels.csv", "video,label," + "video," * MANY * 4 + "\nx,y\n", load_annotations),
        ("classes.txt", "\n".join(map(str, range(MANY * 4))) + "\n7\n", lambda path: read_classes(path, None)),
    ],
    ids=["annotations", "predictions", "columns", "classes"],
)
def test_many_problems(tmp_path: Path, name: str, text: str, read: Callable[[Path], object]) -> None:
    (tmp_path / name).write_text(text)
    began = time.monotonic()
    with pytest.raises(UsageError) as caught:
        read(tmp_path / name)
    assert time.monotonic() - began < SECONDS
    assert len(str(caught.value)) < 100_000
