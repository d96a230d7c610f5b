from __future__ import annotations

from pathlib import Path

import pytest

from wtalkit.errors import FeaturesError, UsageError
from wtalkit.places import require_file, require_folder


def test_what_is_not_there_yet_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path("new"), Path("new/below"), tmp_path / "new", Path("../x")):
        require_folder(path, "features need")
        require_file(path)


def test_files_and_folders_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    require_file(Path("file"))  # written anew
    require_folder(Path("folder"), "features need")
    for path in (Path("file"), Path("file/below/deep")):
        with pytest.raises(FeaturesError, match=r"^file: is a file, features need a folder\. Use another --into\.$"):
            require_folder(path, "features need", option="--into", error=FeaturesError)
    with pytest.raises(UsageError, match=r"^folder: is a folder, one file is to be written\. Name a file with --out"):
        require_file(Path("folder"))
    with pytest.raises(UsageError, match=r"^file: is a file, a file in it needs a folder"):
        require_file(Path("file/x.html"))
