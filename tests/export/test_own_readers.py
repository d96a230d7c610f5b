"""Exports read by the annotation tools' own packages.

These bring a second OpenCV and a data base, so each is installed into an environment of its own, which needs the
package index and some minutes: ``pytest -m exhaustive tests/export/test_own_readers.py``.
"""

from __future__ import annotations

import json
import subprocess
import venv
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from tests.export.awkward import LABELS, TIMES, answer, segment
from wtalkit.export import FORMATS

pytestmark = [pytest.mark.exhaustive, pytest.mark.slow]

LABEL_STUDIO = """
import json, sys
from label_studio_sdk.label_interface import LabelInterface

interface = LabelInterface(open(sys.argv[1], encoding="utf-8").read())
interface.validate()
tasks = json.load(open(sys.argv[2], encoding="utf-8"))
for task in tasks:
    assert interface.validate_task({"data": task["data"]})
wrong = json.loads(json.dumps(tasks[0]["predictions"][0]))
wrong["result"][0]["value"]["ranges"][0]["start"] = "early"
predictions = [each for task in tasks for each in task["predictions"]]
print(json.dumps({
    "errors": [interface.validate_prediction(each, return_errors=True) for each in predictions],
    "of_a_wrong_one": interface.validate_prediction(wrong, return_errors=True),
}))
"""

FIFTYONE = """
import json, sys
from fiftyone.utils.data import FiftyOneTemporalDetectionDatasetImporter

importer = FiftyOneTemporalDetectionDatasetImporter(data_path=sys.argv[1], labels_path=sys.argv[2])
importer.setup()
print(json.dumps([
    [path, [[each.label, list(each.support), each.confidence] for each in found.detections]]
    for path, _, found, *_ in importer
]))
"""


def read(package: str, script: str, folder: Path, *arguments: Path) -> Any:
    """What ``script`` prints as JSON, in a fresh environment that holds ``package``."""
    environment = folder / "environment"
    venv.create(environment, with_pip=True, symlinks=True)
    python = environment / "bin" / "python"
    for command in (["-m", "pip", "install", "--quiet", package], ["-c", script, *map(str, arguments)]):
        done = subprocess.run([python, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_label_studio(tmp_path: Path) -> None:
    # Labels of a set-up are attributes of XML, which have no line breaks and no blanks at their ends.
    shown = [label for label in LABELS if label == " ".join(label.split())]
    found = [segment(label, *times) for label, times in zip(shown, TIMES, strict=False)]
    labels = "".join(f"<Label value={quoteattr(label)}/>" for label in shown)
    (tmp_path / "set-up.xml").write_text(
        '<View><Video name="video" value="$video" frameRate="$fps"/>'
        f'<TimelineLabels name="actions" toName="video">{labels}</TimelineLabels></View>',
        encoding="utf-8",
    )
    text = FORMATS["labelstudio"].write(answer("a", "b/c", found=found, fps=Fraction(25))).text
    (tmp_path / "tasks.json").write_text(text, encoding="utf-8")
    told = read("label-studio-sdk", LABEL_STUDIO, tmp_path, tmp_path / "set-up.xml", tmp_path / "tasks.json")
    assert told["errors"] == [[], []]
    assert told["of_a_wrong_one"]


def test_fiftyone(tmp_path: Path) -> None:
    for key in ("a", "b/c"):
        path = tmp_path / "videos" / f"{key}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [segment(label, start, start + 2) for label, (start, _) in zip(LABELS, TIMES, strict=True)]
    text = FORMATS["fiftyone"].write(answer("a", "b/c", found=found, fps=Fraction(25))).text
    (tmp_path / "labels.json").write_text(text, encoding="utf-8")
    told = read("fiftyone", FIFTYONE, tmp_path, tmp_path / "videos", tmp_path / "labels.json")
    assert sorted(Path(path).relative_to(tmp_path).as_posix() for path, _ in told) == ["videos/a.mp4", "videos/b/c.mp4"]
    for _, detections in told:
        assert sorted(label for label, *_ in detections) == sorted(LABELS)
        for label, (first, last), _ in detections:
            start_s = TIMES[LABELS.index(label)][0]
            assert 0 <= first - start_s * 25 <= 1 and last - first + 1 in (50, 51)
