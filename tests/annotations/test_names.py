"""A file's name in a table means the key that extraction gives the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from wtalkit.annotations.names import keys_from_file_names
from wtalkit.inputs import VIDEO_SUFFIXES, gather


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_as_found_in_a_folder(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").touch()
    (video,) = gather([tmp_path])[0]
    assert keys_from_file_names([f"a{suffix}"]) == {f"a{suffix}": video.key}


def test_as_named_outright(tmp_path: Path) -> None:
    (tmp_path / "a.y4m").touch()
    (video,) = gather([tmp_path / "a.y4m"])[0]
    assert keys_from_file_names(["a.y4m"]) == {"a.y4m": video.key}
