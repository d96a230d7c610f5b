"""The status file: every video's line survives whatever happens to the file, the machine and the other writers."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import threading
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtalkit.errors import DiskFull, MachineError
from wtalkit.inputs import Failure
from wtalkit.status import STATUS_FILE, State, StatusFile, VideoStatus, read_status
from wtalkit.video.info import DecodeReport

KEYS = [f"{letter}/{number}" for letter in "abcd" for number in range(25)]


def done(video: str, **facts: object) -> VideoStatus:
    return VideoStatus(video, f"videos/{video}.mp4", "done", **facts)  # type: ignore[arg-type]


def written(folder: Path) -> list[str]:
    """The videos of the file, line by line."""
    return [json.loads(line)["video"] for line in (folder / STATUS_FILE).read_text().splitlines()]


names = st.one_of(st.text(), st.binary(max_size=20).map(os.fsdecode))  # as a file system gives them
seconds = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
plain = st.recursive(st.none() | st.booleans() | st.integers() | seconds | st.text(), st.lists, max_leaves=4)
statuses = st.builds(
    VideoStatus,
    video=names,
    path=names,
    state=st.sampled_from(get_args(State)),
    cause=st.none() | names,
    decoded_s=st.none() | seconds,
    expected_s=st.none() | seconds,
    gaps=st.lists(st.tuples(seconds, seconds), max_size=3).map(tuple),
    warnings=st.lists(names, max_size=3).map(tuple),
    spec=st.none() | st.dictionaries(st.text(), plain, max_size=3),
    wtalkit=st.text(),
)


class TestLines:
    @given(statuses)
    def test_what_is_written_is_read(self, status: VideoStatus) -> None:
        line = status.to_line()
        assert line.count("\n") == 1 and line.endswith("\n")
        line.encode("ascii")  # whatever the names hold
        assert VideoStatus.from_line(line) == status

    @given(st.text())
    def test_nothing_else_is_read(self, line: str) -> None:
        assert VideoStatus.from_line(line) is None

    @given(statuses, st.data())
    def test_half_a_line_is_none(self, status: VideoStatus, data: st.DataObject) -> None:
        line = status.to_line()
        assert VideoStatus.from_line(line[: data.draw(st.integers(0, len(line) - 2))]) is None

    @pytest.mark.parametrize(
        "change",
        [
            {"schema": 2},
            {"schema": None},
            {"state": "well"},
            {"state": ["done"]},
            {"video": 3},
            {"video": None},
            {"path": None},
            {"cause": 3},
            {"decoded_s": "1"},
            {"expected_s": [1]},
            {"gaps": [[1]]},
            {"gaps": [["a", "b"]]},
            {"gaps": 3},
            {"warnings": 3},
            {"warnings": "text"},
            {"spec": []},
            {"wtalkit": None},
            {"unknown": 1},
        ],
    )
    def test_foreign_values_are_none(self, change: dict[str, object]) -> None:
        values = json.loads(done("a").to_line())
        assert VideoStatus.from_line(json.dumps(values)) == done("a")
        assert VideoStatus.from_line(json.dumps({**values, **change})) is None

    @pytest.mark.parametrize("line", ["null", "[]", "3", '"a"', "{}", "[" * 100_000, "1" * 10_000, "NaN"])
    def test_foreign_documents_are_none(self, line: str) -> None:
        assert VideoStatus.from_line(line) is None

    def test_numbers_that_are_none_are_not_written(self) -> None:
        with pytest.raises(ValueError, match="JSON"):
            done("a", decoded_s=math.nan).to_line()


class TestFile:
    def test_the_newest_line_counts_and_tidying_leaves_one_a_video_in_order(self, tmp_path: Path) -> None:
        file = StatusFile(tmp_path / "new" / "folder")
        for status in (done("b"), done("a", cause="first"), done("c"), done("a", cause="second")):
            file.add(status)
        assert written(file.folder) == ["b", "a", "c", "a"]
        expected = {"a": done("a", cause="second"), "b": done("b"), "c": done("c")}
        assert read_status(file.folder) == expected
        assert file.tidy() == expected
        assert written(file.folder) == ["a", "b", "c"]
        assert list(file.folder.iterdir()) == [file.path]

    def test_the_order_of_events_leaves_no_trace(self, tmp_path: Path) -> None:
        contents = set()
        for number, order in enumerate((KEYS, KEYS[::-1], [*KEYS[50:], *KEYS])):
            file = StatusFile(tmp_path / str(number))
            for key in order:
                file.add(done(key))
            file.tidy()
            contents.add(file.path.read_bytes())
        assert len(contents) == 1

    def test_a_tidy_file_is_not_touched(self, tmp_path: Path) -> None:
        file = StatusFile(tmp_path)
        file.add(done("a"))
        file.tidy()
        before = file.path.stat()
        file.tidy()
        assert (file.path.stat().st_ino, file.path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_where_nothing_is_there_is_nothing(self, tmp_path: Path) -> None:
        assert read_status(tmp_path) == read_status(tmp_path / "missing") == {}
        assert StatusFile(tmp_path).tidy() == {}
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "file").touch()
        assert read_status(tmp_path / "file") == {}

    @pytest.mark.parametrize("torn", [b'{"schema": 1, "video": "b', b"\xff\xfe\x00", b"{}", b'{"schema": 1}\n\n\n'])
    def test_torn_and_foreign_lines_cost_themselves_only(self, torn: bytes, tmp_path: Path) -> None:
        file = StatusFile(tmp_path)
        file.add(done("a"))
        with file.path.open("ab") as handle:
            handle.write(torn)
        file.add(done("c"))
        assert read_status(tmp_path) == {"a": done("a"), "c": done("c")}
        file.tidy()
        assert written(tmp_path) == ["a", "c"]

    @pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
    def test_only_line_breaks_end_a_line(self, separator: str, tmp_path: Path) -> None:
        """Written by another program, which does not escape them."""
        status = done(f"one{separator}two")
        text = json.dumps(json.loads(status.to_line()), ensure_ascii=False)
        assert separator in text
        (tmp_path / STATUS_FILE).write_text(f"{text}\n", encoding="utf-8")
        assert read_status(tmp_path) == {status.video: status}

    @pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" + 400 * "0"])
    def test_numbers_that_cannot_be_written_again_are_left_out(self, number: str, tmp_path: Path) -> None:
        file = StatusFile(tmp_path)
        file.add(done("a"))
        for place in ('"gaps": []', '"decoded_s": null', '"spec": null'):
            name = place.split(":")[0]
            value = {'"gaps"': f"[[0, {number}]]", '"spec"': f'{{"x": {number}}}'}.get(name, number)
            with file.path.open("a") as handle:
                handle.write(done(f"b{name}").to_line().replace(place, f"{name}: {value}"))
        found = file.tidy()
        assert found.pop("a") == done("a")
        assert set(found) <= {'b"spec"'}  # an integer of any size is none of a status's own numbers

    def test_names_that_are_not_utf_8(self, tmp_path: Path) -> None:
        file = StatusFile(tmp_path)
        keys = [os.fsdecode(b"bad\xff"), "line\nbreak", "матч", "\u2028", "quote\"'", "\x00"]
        for key in keys:
            file.add(done(key))
        file.tidy()
        assert read_status(tmp_path) == {key: done(key) for key in keys}
        assert [json.loads(line)["video"] for line in file.path.read_bytes().split(b"\n")[:-1]] == sorted(keys)

    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        file = StatusFile(tmp_path)
        file.path.symlink_to("/dev/full")
        with pytest.raises(DiskFull, match="no space left on the disk"):
            file.add(done("a"))

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(MachineError, match="file: is a file where a folder is needed"):
            StatusFile(tmp_path / "file").add(done("a"))

    def test_a_status_file_that_is_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / STATUS_FILE).mkdir()
        with pytest.raises(MachineError, match=f"{STATUS_FILE}: is a folder where a file is to be written"):
            StatusFile(tmp_path).add(done("a"))


def write(folder: str, keys: list[str], tidy_every: int) -> None:
    file = StatusFile(folder)
    for number, key in enumerate(keys):
        file.add(done(key))
        if number % tidy_every == 0:
            file.tidy()


class TestSeveralWriters:
    def test_threads_lose_nothing(self, tmp_path: Path) -> None:
        threads = [threading.Thread(target=write, args=(str(tmp_path), KEYS[start::4], 3)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(read_status(tmp_path)) == set(KEYS)
        StatusFile(tmp_path).tidy()
        assert written(tmp_path) == sorted(KEYS)
        assert list(tmp_path.iterdir()) == [tmp_path / STATUS_FILE]

    def test_processes_lose_nothing(self, tmp_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        keys = [[f"{number}-{key}" for key in KEYS] for number in range(2)]
        processes = [context.Process(target=write, args=(str(tmp_path), own, 2)) for own in keys]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
            assert process.exitcode == 0
            process.close()
        assert set(read_status(tmp_path)) == {*keys[0], *keys[1]}


def test_of_failure_says_what_was_decoded() -> None:
    report = DecodeReport(50, 2, 2.0, 4.0, ((0.5, 1.0), (2.0, 4.0)), ("odd",), complete=False)
    status = VideoStatus.of_failure("a", Failure("a.mp4", "decoded 1.50 of 4.00 s", report), None, "skipped")
    assert (status.state, status.cause, status.path) == ("skipped", "decoded 1.50 of 4.00 s", "a.mp4")
    assert (status.decoded_s, status.expected_s, status.gaps) == (1.5, 4.0, ((0.5, 1.0), (2.0, 4.0)))
    assert status.warnings == ("odd",)
    plain = VideoStatus.of_failure("a", Failure("a.mp4", "empty file"), None)
    assert (plain.state, plain.decoded_s, plain.expected_s, plain.gaps) == ("failed", None, None, ())
