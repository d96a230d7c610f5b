"""labels.csv as people and spreadsheets write it."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from wtalkit.annotations import Annotations, load_annotations
from wtalkit.errors import AnnotationsError


def load(folder: Path, content: str | bytes) -> Annotations:
    path = folder / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_annotations(path)


def test_two_columns(tmp_path: Path) -> None:
    found = load(tmp_path, "video,label\na,wave\nb/c,kick\na,kick\n")
    assert list(found.videos) == ["a", "b/c"]
    assert found.videos["a"].labels == ("kick", "wave")
    assert found.videos["b/c"].segments == ()
    assert found.classes == ("kick", "wave")
    assert (found.videos["b/c"].line, found.subsets) == (3, ())


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + b"video;label;subset\r\na;wave|kick;test\r\n",
        "video\tlabel\tsubset\na\twave|kick\ttest\n".encode("utf-16"),
        b'"video","label","subset"\r"a","wave | kick","test"\r',
        b"subset,label,video\ntest,wave,a\n\n,kick,a\n\n",
        b"a,wave|kick,,,test",
        b"Video,Labels,Subset\na.MP4,wave|kick,test\n",
    ],
    ids=["excel", "utf-16 tabs", "old mac", "columns by name", "no header", "capitals"],
)
def test_dialects(tmp_path: Path, content: bytes) -> None:
    video = load(tmp_path, content).videos["a"]
    assert (video.labels, video.subset, video.segments) == (("kick", "wave"), "test", ())


def test_times(tmp_path: Path) -> None:
    found = load(tmp_path, "video;label;start;end\na;wave|kick;1,5;2.25\na;wave;3;4\na;bow;;\n").videos["a"]
    assert [(each.start_s, each.end_s, each.label) for each in found.segments] == [
        (1.5, 2.25, "wave"),
        (1.5, 2.25, "kick"),
        (3.0, 4.0, "wave"),
    ]
    assert found.labels == ("bow", "kick", "wave")


def test_a_quoted_line_break_does_not_shift_line_numbers(tmp_path: Path) -> None:
    with pytest.raises(AnnotationsError, match=r"line 4: .* a label is empty"):
        load(tmp_path, 'video,label\n"a\nb",wave\nc,\n')


def test_names_that_clash_keep_their_extension(tmp_path: Path) -> None:
    found = load(tmp_path, "x.mp4,wave\nx.mov,kick\nfolder\\y.mkv,bow\nz.v2,bow\n")
    assert list(found.videos) == ["x.mp4", "x.mov", "folder/y", "z.v2"]


def test_every_problem_is_listed_with_its_line(tmp_path: Path) -> None:
    rows = [
        "video,label,start,end,subset",
        "../../x,wave",  # 2
        "/etc/x,wave",  # 3
        "C:\\x,wave",  # 4
        ",wave",  # 5
        "a,",  # 6
        "a,wave|",  # 7
        "a,wave,1",  # 8
        "a,wave,1,x",  # 9
        "a,wave,2,2",  # 10
        "a,wave,-1,2",  # 11
        "a,wave,nan,2",  # 12
        "a,wave,,,train",
        "a,kick,,,test",  # 14
        "a,wave,,,train",  # 15
        "a,wave,1,2,train,more",  # 16
        "b,wave|wave",  # 17
    ]
    with pytest.raises(AnnotationsError) as caught:
        load(tmp_path, "\n".join(rows))
    message = str(caught.value)
    lines = [int(part.split(":")[0]) for part in message.split("  line ")[1:]]
    assert lines == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17], message
    assert "labels.csv: 15 problems" in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "holds no row"),
        (b"video,label\n", "holds no row"),
        (b"a,wave\nb,k\xffck\n", "line 2 is not UTF-8"),
        (b"video,label,extra\na,wave,1\n", "line 1: the column 'extra' is unknown"),
        (b"video,label,label\na,wave,1\n", "the column 'label' stands twice"),
        (b'a,"wave\n', "line 1: is not a table row"),
    ],
)
def test_unusable_files(tmp_path: Path, content: bytes, cause: str) -> None:
    with pytest.raises(AnnotationsError, match=cause):
        load(tmp_path, content)


def test_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("a,wave\n" * 1000)
    with pytest.raises(AnnotationsError, match="larger than"):
        load_annotations(path, limit_bytes=100)
