"""Run folders: unique names, the newest one with a model, ``latest`` as link and as text."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from wtalkit import runs
from wtalkit.errors import UsageError

STAMP = "20260131T235959Z"


def finish(run: runs.Run) -> runs.Run:
    run.config.write_text("")
    run.model.write_bytes(b"model")
    return run


def test_stamp_is_utc_whatever_the_zone() -> None:
    local = datetime(2026, 2, 1, 1, 59, 59, tzinfo=timezone(timedelta(hours=2)))
    assert runs.utc_stamp(local) == STAMP
    assert runs.utc_stamp(datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)) == STAMP


def test_runs_of_the_same_second_get_their_own_folders(tmp_path: Path) -> None:
    names = [runs.create(tmp_path / "runs", "clasnet", STAMP).name for _ in range(12)]
    assert names[:3] == [f"{STAMP}-clasnet", f"{STAMP}-clasnet.2", f"{STAMP}-clasnet.3"]
    assert len(set(names)) == 12


def test_newest_counts_numbers_not_letters(tmp_path: Path) -> None:
    created = [finish(runs.create(tmp_path, "clasnet", STAMP)) for _ in range(11)]
    assert runs.newest(tmp_path) == created[10]


def test_newest_has_a_model(tmp_path: Path) -> None:
    assert runs.newest(tmp_path / "absent") is None
    done = finish(runs.create(tmp_path, "acrnet", STAMP))
    stopped = runs.create(tmp_path, "acrnet", "20260201T000000Z")
    stopped.config.write_text("")
    assert runs.newest(tmp_path) == done
    assert runs.all_runs(tmp_path) == [done, stopped]


def test_latest_is_a_link_that_moves_on(tmp_path: Path) -> None:
    runs.mark_latest(tmp_path)
    assert not (tmp_path / "latest").exists()
    for stamp in (STAMP, "20260201T000000Z"):
        run = finish(runs.create(tmp_path, "acrnet", stamp))
        runs.mark_latest(tmp_path)
        assert (tmp_path / "latest").readlink() == Path(run.name)
        assert runs.resolve(tmp_path / "latest") == runs.Run(run.folder.resolve())
    assert runs.newest(tmp_path) == run


def test_latest_is_a_text_file_where_links_are_impossible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("symbolic link privilege not held")

    monkeypatch.setattr(os, "symlink", refuse)
    run = finish(runs.create(tmp_path, "acrnet", STAMP))
    runs.mark_latest(tmp_path)
    assert (tmp_path / "latest").read_text() == run.name + "\n"
    assert runs.resolve(tmp_path / "latest") == runs.Run(run.folder.resolve())


def test_a_renamed_run_is_still_found(tmp_path: Path) -> None:
    run = finish(runs.create(tmp_path, "acrnet", STAMP))
    run.folder.rename(tmp_path / "the good one")
    found = runs.newest(tmp_path)
    assert found is not None
    assert found.name == "the good one"


def test_unusable_places_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file: is not a folder"):
        runs.create(tmp_path / "file", "acrnet", STAMP)
    (tmp_path / "runs" / "latest").mkdir(parents=True)
    with pytest.raises(UsageError, match="Rename it"):
        runs.create(tmp_path / "runs", "acrnet", STAMP)
