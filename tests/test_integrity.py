"""Verifying and locating models and weights."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import pytest

from wtalkit import zoo
from wtalkit.cli import main
from wtalkit.content import git_blob_id
from wtalkit.hub import HubFile
from wtalkit.integrity import SUMS_FILE, Location, Verdict, location, verify
from wtalkit.project import Project

MODELS = Path(__file__).resolve().parents[1] / "models"


def verdicts(name: str | None = None) -> dict[str, Verdict]:
    return {each.name: each for each in verify(name, Project.load())}


@pytest.fixture
def own(bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bundled models that a test may damage, with their sums."""
    folder = tmp_path / "own"
    shutil.copytree(bundled, folder)
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.glob("*/*.safetensors"))]
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / SUMS_FILE).write_text("".join(sums))
    monkeypatch.setenv("WTALKIT_MODELS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_sums_of_what_is_bundled_are_right_and_name_all_of_it() -> None:
    sums = dict(reversed(line.split("  ")) for line in (MODELS / SUMS_FILE).read_text().splitlines())
    files = {path.relative_to(MODELS).as_posix(): path for path in MODELS.glob("*/*.safetensors")}
    assert sums == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def test_what_is_bundled_is_whole(own: Path) -> None:
    found = verdicts()
    assert set(found) == {"i3d-mini", "samples"}
    assert [each.problem for each in found.values()] == [None, None]
    assert found["samples"].note.startswith("whole; acrnet, 3 actions, sha256 ")


def test_a_file_that_loads_but_is_another_is_found(own: Path) -> None:
    """One changed weight: the file is as well-formed as before."""
    path = own / "i3d-mini" / "rgb.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = verdicts()
    assert (found["samples"].problem, found["i3d-mini"].note) == (None, "")
    assert found["i3d-mini"].problem == f"{path}: is not the file that came with wtalkit. Install wtalkit again."
    (own / SUMS_FILE).unlink()  # of models of one's own nobody knows what they should be
    assert verdicts("i3d-mini")["i3d-mini"].problem is None


def test_weights_in_the_cache_are_known_by_their_content(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = zoo.weights_folder("i3d")
    folder.mkdir(parents=True)
    (folder / "rgb_imagenet.pt").write_bytes(b"another")
    problem = verdicts("i3d")["i3d"].problem
    assert problem is not None
    assert "rgb_imagenet.pt: is another file than the published one" in problem
    assert "wtalkit models pull i3d --force" in problem
    known = {
        stream: dataclasses.replace(file, blob_id=git_blob_id(folder / "rgb_imagenet.pt"))
        for stream, file in zoo.PUBLIC_FILES["i3d"].items()
    }
    monkeypatch.setitem(zoo.PUBLIC_FILES, "i3d", known)  # type: ignore[arg-type]
    problem = verdicts("i3d")["i3d"].problem  # the right content, which is no network's weights
    assert problem is not None
    assert "another file" not in problem


def test_so_are_those_of_libraries(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(name for name, file in zoo.HUB_FILES.items() if file.sha256 is not None)
    path = zoo.weights_folder(name) / zoo.HUB_FILES[name].name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another")
    problem = verdicts()[name].problem
    assert problem is not None
    assert "is another file than the published one" in problem
    digest = hashlib.sha256(b"another").hexdigest()[:8]
    monkeypatch.setitem(zoo.HUB_FILES, name, HubFile(f"https://example.invalid/net-{digest}.pth"))  # type: ignore[arg-type]
    path.rename(path.with_name(f"net-{digest}.pth"))
    problem = verdicts()[name].problem
    assert problem is not None
    assert "another file" not in problem


def test_a_file_or_run_can_be_named(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(own / "samples" / "model.safetensors", "mine.safetensors")
    assert verdicts("mine.safetensors")["mine.safetensors"].problem is None
    assert main(["models", "verify", "mine.safetensors"]) == 0
    assert "1 model verified" in capsys.readouterr().out
    Path("mine.safetensors").write_bytes(b"no model")
    assert main(["models", "verify", "mine.safetensors"]) == 2
    assert main(["models", "verify", "nothing"]) == 2
    assert "no model, run or file is named 'nothing'" in capsys.readouterr().err


def test_paths(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "path", "samples"]) == 0
    assert capsys.readouterr().out == f"{own / 'samples' / 'model.safetensors'}\n"
    assert main(["models", "path", "i3d-mini"]) == 0
    assert capsys.readouterr().out == f"{own / 'i3d-mini'}\n"
    shutil.copy(own / "samples" / "model.safetensors", "mine.safetensors")
    assert main(["models", "path", "mine.safetensors"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'mine.safetensors'}\n"
    assert main(["models", "path", "nothing"]) == 2


def test_where_weights_are_to_be_is_said_before_they_are_there(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache" / "weights" / "i3d"
    for name in ("i3d", "i3d-kinetics400"):
        assert main(["models", "path", name]) == 3
        captured = capsys.readouterr()
        assert captured.out == f"{folder}\n"
        assert captured.err.endswith("Run wtalkit models pull i3d.\n")
    folder.mkdir(parents=True)
    for stream in ("rgb", "flow"):
        assert not location("i3d", Project.load()).is_there
        assert location("i3d-rgb-kinetics400", Project.load()).is_there == (stream == "flow")
        (folder / f"{stream}_imagenet.pt").write_bytes(b"")
    assert location("i3d", Project.load()) == Location(folder, True, "i3d")
    raft = zoo.weights_folder("raft") / zoo.HUB_FILES["raft"].name
    assert location("raft", Project.load()) == Location(raft, False, "raft")


def test_what_is_not_there_is_not_broken(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "r3d_18"]) == 3
    assert "1 of 1 not there. Next: fetch it" in capsys.readouterr().out
    (own / "i3d-mini" / "rgb.safetensors").write_bytes(b"x")
    assert main(["models", "verify", "i3d-mini"]) == 2
    assert "1 of 1 broken" in capsys.readouterr().out
