"""Weight files of libraries, fetched from a server on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests import mirror
from wtalkit import zoo
from wtalkit.backbones import BACKBONES
from wtalkit.cli import main
from wtalkit.download import Fetching
from wtalkit.errors import ConfigError, MachineError, ModelError
from wtalkit.hub import HubFile, fetch_hub
from wtalkit.partial import partial_path
from wtalkit.web import Patience

CONTENT = random.Random(0).randbytes(700_000)
FILE = HubFile(f"https://hub.test/models/net-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth")
QUICK = Patience(1.0, 1.0, 1)


@pytest.fixture
def server(bundled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[mirror.Server]:
    with mirror.serving({f"/hub.test/models/{FILE.name}": CONTENT, "/hub.test/models/BARE.pyth": CONTENT}) as found:
        monkeypatch.setenv("WTALKIT_MIRROR", found.base)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield found


def fetch(path: Path, file: HubFile = FILE) -> None:
    fetch_hub(file, path, remedy="Do without", patience=QUICK)


def test_a_file_comes_whole_and_is_told_of(server: mirror.Server, tmp_path: Path) -> None:
    told = []
    fetch_hub(FILE, tmp_path / "net.pth", remedy="", patience=QUICK, progress=told.append)
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert FILE.is_whole(tmp_path / "net.pth")
    assert (told[-1].done_bytes, told[-1].total_bytes) == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (mirror.breaks_after(300_000), "HTTP 410"),
        (mirror.other(CONTENT[:-1] + b"x"), "not the published file"),
        (mirror.other(CONTENT[:-1]), "not the published file"),
        (mirror.status(404), "HTTP 404"),
        (mirror.silent, "no whole answer within 1 s"),
    ],
)
def test_what_is_not_the_file_never_lies_under_its_name(
    server: mirror.Server, tmp_path: Path, answer: mirror.Answer, said: str
) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"before")
    server.answers.append(answer)
    server.usual = mirror.status(410)
    with pytest.raises(MachineError, match=said) as caught:
        fetch(path)
    assert str(caught.value).endswith("Do without.")
    assert path.read_bytes() == b"before"
    left = [each.read_bytes() for each in tmp_path.glob(".*")]
    assert left == ([CONTENT[:300_000]] if said == "HTTP 410" else []), "kept is what the next run can go on with"


def test_the_next_run_goes_on_where_the_last_one_stopped(server: mirror.Server, tmp_path: Path) -> None:
    server.answers.extend([mirror.breaks_after(300_000), mirror.status(404)])
    with pytest.raises(MachineError):
        fetch(tmp_path / "net.pth")
    told: list[Fetching] = []
    fetch_hub(FILE, tmp_path / "net.pth", remedy="", patience=QUICK, progress=told.append)
    assert server.ranges == [None, "bytes=300000-", "bytes=300000-"]
    assert told[0].done_bytes == 300_000
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


def test_a_slow_server_is_given_up(server: mirror.Server, tmp_path: Path) -> None:
    server.answers.append(mirror.slow_body)
    with pytest.raises(MachineError, match="less than 1,024 bytes a second"):
        fetch(tmp_path / "net.pth")


class TestWithoutAHash:
    """Two parts are put together only where one server says that they are of the same file."""

    PATIENT = Patience(1.0, 1.0, 3, 0.01)
    BARE = HubFile("https://hub.test/models/BARE.pyth")

    def fetch(self, path: Path) -> bytes:
        fetch_hub(self.BARE, path, remedy="", patience=self.PATIENT)
        assert [each.name for each in path.parent.iterdir()] == [path.name]
        return path.read_bytes()

    def test_a_break_is_gone_on_from(self, server: mirror.Server, tmp_path: Path) -> None:
        server.answers.append(mirror.breaks_after(300_000))
        assert self.fetch(tmp_path / "net") == CONTENT
        assert server.ranges == [None, "bytes=300000-"]

    def test_a_file_that_changed_meanwhile_is_begun_anew(self, server: mirror.Server, tmp_path: Path) -> None:
        server.answers.append(mirror.breaks_after(300_000, etag='"v0"'))
        server.files["/hub.test/models/BARE.pyth"] = CONTENT[::-1]
        assert self.fetch(tmp_path / "net") == CONTENT[::-1]

    def test_also_where_the_server_does_not_look_at_if_range(self, server: mirror.Server, tmp_path: Path) -> None:
        server.files["/hub.test/models/BARE.pyth"] = CONTENT[::-1]
        server.answers.extend([mirror.breaks_after(300_000), mirror.goes_on_with_another(CONTENT[::-1])])
        server.answers[0] = lambda handler, _: mirror.breaks_after(300_000)(handler, CONTENT)
        assert self.fetch(tmp_path / "net") == CONTENT[::-1]
        assert server.ranges == [None, "bytes=300000-", None]

    def test_two_at_once_fetch_it_once(self, server: mirror.Server, tmp_path: Path) -> None:
        server.usual = mirror.throttled(700_000)
        path = tmp_path / "net"
        with ThreadPoolExecutor(2) as pool:
            done = [pool.submit(fetch_hub, self.BARE, path, remedy="", patience=self.PATIENT) for _ in range(2)]
            assert sorted(each.result() for each in done) == [False, True]
        assert len(server.ranges) == 1
        assert path.read_bytes() == CONTENT
        assert fetch_hub(self.BARE, path, remedy="", patience=self.PATIENT), "what lay there before is replaced"

    def test_without_a_tag_it_is_begun_anew(self, server: mirror.Server, tmp_path: Path) -> None:
        server.answers.append(mirror.breaks_after(300_000, etag='W/"v1"'))
        assert self.fetch(tmp_path / "net") == CONTENT
        assert server.ranges == [None, None]

    def test_the_part_of_an_earlier_run_is_not_gone_on_with(self, server: mirror.Server, tmp_path: Path) -> None:
        server.answers.extend([mirror.breaks_after(300_000), mirror.status(404)])
        with pytest.raises(MachineError, match="HTTP 404"):
            self.fetch(tmp_path / "net")
        assert list(tmp_path.iterdir()) == []
        partial_path(tmp_path / "net").write_bytes(b"of a killed one")
        assert self.fetch(tmp_path / "net") == CONTENT

    def test_nor_is_that_of_another_address(
        self, server: mirror.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WTALKIT_MIRROR", f"{server.base} {server.base}")
        server.answers.extend([mirror.breaks_after(300_000), mirror.status(404)])
        assert self.fetch(tmp_path / "net") == CONTENT
        assert server.ranges == [None, "bytes=300000-", None]

    def test_a_length_is_needed(self, server: mirror.Server, tmp_path: Path) -> None:
        server.answers.append(mirror.without_length)
        with pytest.raises(MachineError, match="does not say how long the file is"):
            self.fetch(tmp_path / "net")
        assert len(server.ranges) == 1


def test_without_a_hash_only_weights_are_taken(
    server: mirror.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(zoo.HUB_FILES, "x3d_m", HubFile("https://hub.test/models/BARE.pyth"))
    path = zoo.weights_folder("x3d_m") / "BARE.pyth"
    server.answers.append(mirror.other(b"<html>Log in</html>"))
    assert main(["models", "pull", "x3d_m"]) == 3
    assert "what it sends holds more than tensors and was refused" in capsys.readouterr().err
    assert not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"<html>Log in</html>")
    assert main(["models", "pull", "x3d_m"]) == 3
    assert "Replace it with wtalkit models pull x3d_m --force" in capsys.readouterr().err
    torch.save({"model_state": {"a": torch.zeros(2)}}, tmp_path / "good")
    server.answers.append(mirror.other((tmp_path / "good").read_bytes()))
    assert main(["models", "pull", "x3d_m", "--force"]) == 0
    assert main(["models", "pull", "x3d_m"]) == 0
    assert "already there, not verified" in capsys.readouterr().out


def test_a_cache_that_is_a_file(
    server: mirror.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WTALKIT_CACHE", str(tmp_path / "file"))
    assert main(["models", "pull", "r3d_18"]) == 3
    assert "file: is a file where a folder is needed" in capsys.readouterr().err


def test_the_hash_is_in_the_name_or_not_known(server: mirror.Server, tmp_path: Path) -> None:
    bare = HubFile("https://hub.test/models/BARE.pyth")
    assert (bare.sha256, len(FILE.sha256 or "")) == (None, 8)
    fetch(tmp_path / "bare", bare)
    assert bare.is_whole(tmp_path / "bare")
    (tmp_path / "bare").write_bytes(b"x")
    assert bare.is_whole(tmp_path / "bare")
    assert not FILE.is_whole(tmp_path / "bare")
    assert not bare.is_whole(tmp_path / "gone")


def test_without_a_mirror_it_is_the_librarys_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WTALKIT_MIRROR", raising=False)
    assert FILE.urls == [FILE.url]
    assert all(file.url.startswith("https://") for file in zoo.HUB_FILES.values())


def test_pull(
    server: mirror.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(zoo.HUB_FILES, "mc3_18", FILE)
    path = zoo.weights_folder("mc3_18") / FILE.name
    assert main(["models", "pull", "mc3_18"]) == 0
    out = capsys.readouterr()
    assert out.out.startswith(f"{path}: fetched, verified\n")
    assert "extract VIDEOS --out feats --backbone mc3_18" in out.out
    assert main(["models", "pull", "mc3_18", "--offline"]) == 0
    assert "already there" in capsys.readouterr().out
    path.write_bytes(b"x")
    with pytest.raises(ModelError, match="--force"):
        zoo.pull_weights("mc3_18")
    assert [pulled.fetched for pulled in zoo.pull_weights("mc3_18", replace=True)] == [True]
    assert path.read_bytes() == CONTENT


def test_extraction_gets_what_it_needs_and_nothing_else(server: mirror.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(zoo.HUB_FILES, "mc3_18", FILE)
    monkeypatch.setitem(zoo.HUB_FILES, "raft", dataclasses.replace(FILE))
    zoo.fetch_weights("i3d-mini", "none")
    zoo.fetch_weights("mc3_18", "raft")  # which looks at no flow
    assert len(server.ranges) == 1
    zoo.fetch_weights("mc3_18", "tvl1")
    zoo.fetch_weights("i3d-mini", "raft")
    assert len(server.ranges) == 2
    with pytest.raises(ConfigError, match="Did you mean raft"):
        zoo.pull_weights("raf")
    assert BACKBONES["mc3_18"].weights is not FILE
