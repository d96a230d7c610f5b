"""Acceptance cases of what the machine lacks, and of what was there before: 15, 16, 19, 20 and 22."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.faults.runs import GOOD, Cli, bytes_of, children, temporaries
from tests.faults.videos import write_numbered
from wtalkit.backbones import Backbone
from wtalkit.cli import main
from wtalkit.status import read_status


@pytest.fixture
def short_of_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """``short_of_memory(3)``: the device has no memory for more than 3 windows; gives the sizes that were tried."""
    whole = Backbone._batch

    def limit(windows: int) -> list[int]:
        tried: list[int] = []

        def batch(self: Backbone, given: Any, rows: slice) -> Tensor:
            tried.append(rows.stop - rows.start)
            if tried[-1] > windows:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return whole(self, given, rows)

        monkeypatch.setattr(Backbone, "_batch", batch)
        return tried

    return limit


def test_case_15_memory_of_the_device_is_halved_and_tried_again(
    extract: Cli, short_of_memory: Callable[[int], list[int]]
) -> None:
    """Out of memory in mid-run: the batch is halved, which is told once each time, and the features are the same."""
    write_numbered(Path("videos/long.mp4"), range(150))
    assert extract(out="whole").code == 0
    tried = short_of_memory(3)
    run = extract("--workers", "1")
    assert (run.code, {each.state for each in run.status.values()}) == (0, {"done"})
    assert max(tried) == 8 and tried[-1] <= 2
    told = re.findall(r"out of memory with (\d) windows at once; going on with (\d)", run.err)
    assert told and told[-1][1] in "12"
    for key in (*GOOD, "long"):
        np.testing.assert_allclose(np.load(f"feats/{key}.npy"), np.load(f"whole/{key}.npy"), atol=1e-5)


def test_case_15_no_memory_at_all(extract: Cli, short_of_memory: Callable[[int], list[int]]) -> None:
    """If one window does not fit: `failed` with the flag to set; what is finished is kept, and nothing half-written."""
    assert extract(inputs=("videos/good-1.mp4",)).code == 0
    before = bytes_of(Path("feats"))
    short_of_memory(0)
    run = extract()
    assert run.code == 1
    cause = "the device's memory does not suffice for one window. End other programs on the device, or use --device cpu"
    assert cause in run.err
    assert {key: (each.state, each.cause) for key, each in run.status.items()} == {
        "good-1": ("done", None),
        **{key: ("failed", cause) for key in GOOD if key != "good-1"},
    }
    kept = bytes_of(Path("feats"))
    assert {name: kept[name] for name in before if name != "status.jsonl"} == {
        name: content for name, content in before.items() if name != "status.jsonl"
    }
    assert children() == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_case_15_on_a_gpu(extract: Cli) -> None:
    """The same with memory that is really taken: too little for a batch, then too little for anything."""
    write_numbered(Path("videos/long.mp4"), range(150))
    assert extract("--device", "cuda", out="whole").code == 0
    torch.cuda.empty_cache()
    try:
        torch.cuda.set_per_process_memory_fraction(1e-6)
        run = extract("--device", "cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert run.code == 1
    assert "--device cpu" in run.err
    assert temporaries(Path("feats")) == []
    assert extract("--device", "cuda").code == 0


@pytest.mark.parametrize("command", ["extract", "detect"])
def test_case_16_no_cuda(command: str, extract: Cli, detect: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """--device cuda without CUDA: exit 3, says the installed build, never quietly the CPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    run = extract("--device", "cuda") if command == "extract" else detect("--device", "cuda")
    assert run.code == 3
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    assert (
        f"device 'cuda' is not to be had (torch {torch.__version__}, built for {built}; 0 CUDA devices found)"
        in run.err
    )
    assert "Use --device cpu" in run.err
    assert not Path("feats").exists() and not Path("answers").exists()


def test_case_16_torch_and_torchvision_do_not_fit(
    workplace: Path, extract: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A torchvision built for another torch: `doctor` exits 3 and names both; work that needs none of it goes on."""
    (workplace / "broken" / "torchvision").mkdir(parents=True)
    (workplace / "broken" / "torchvision" / "__init__.py").write_text(
        'raise RuntimeError("operator torchvision::nms does not exist")\n'
    )
    monkeypatch.syspath_prepend(workplace / "broken")
    monkeypatch.delitem(__import__("sys").modules, "torchvision", raising=False)
    assert main(["doctor"]) == 3
    error = capsys.readouterr().err
    assert re.search(
        r"torch \d[\d.]+\S* and torchvision \d[\d.]+\S* do not fit together "
        r"\(operator torchvision::nms does not exist\)\. Install both anew", error
    )  # fmt: skip
    assert extract().code == 0


def test_case_19_disk_full(extract: Cli, small_disk: Callable[[str, int], Path]) -> None:
    """A full disk: exit 3 with the space needed; earlier outputs intact, the temporary removed; then it goes on."""
    for number in range(4):
        write_numbered(Path(f"videos/long-{number}.mp4"), range(160))
    assert extract(out="whole").code == 0
    small_disk("feats", 56)  # a long video's features are 17 kB
    run = extract()
    assert run.code == 3
    kept = {path.stem for path in Path("feats").glob("*.npy")}
    left = 6 - len(kept)
    assert 0 < left < 6
    message = re.search(r"no space left on the disk: the (\d) videos left need about (\S+) GB\. Free as much", run.err)
    assert message is not None, run.err
    assert int(message[1]) in (left, left + 1)  # one may have been finished while the other failed
    whole = {name: len(content) for name, content in bytes_of(Path("whole")).items() if name.endswith(".npy")}
    need = sum(size for name, size in whole.items() if Path(name).stem not in kept)
    assert float(message[2]) == pytest.approx(need / 1e9, rel=0.35)
    assert temporaries(Path("feats")) == []
    for key in kept:
        assert Path(f"feats/{key}.npy").read_bytes() == Path(f"whole/{key}.npy").read_bytes()


def test_case_20_read_only(extract: Cli, detect: Cli, read_only: Callable[[Path], None]) -> None:
    """A folder that cannot be written to: exit 3, and the folder is named."""
    for name in ("feats", "answers"):
        Path(name).mkdir()
        read_only(Path(name))
    run = extract()
    assert run.code == 3
    assert "feats: the folder cannot be written to." in run.err
    run = detect()
    assert run.code == 3
    assert "answers: the folder cannot be written to." in run.err
    assert children() == []


def test_case_20_another_recipe(extract: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of another recipe: exit 2 before any work, both shown; --overwrite makes them anew."""
    assert extract().code == 0
    before = bytes_of(Path("feats"))
    shutil.copy("videos/good-1.mp4", "videos/new.mp4")
    with monkeypatch.context() as patch:
        patch.setattr("wtalkit.video.Decoder.decode", None)  # work would need it
        run = extract("--stride", "8")
    assert run.code == 2
    assert re.search(
        r"feats: holds features of i3d-mini, .* every 4; asked for are features of i3d-mini, .* every 8: "
        r"stride 8 and 4\. "
        r"Use another --out, or --overwrite to extract them again\.", run.err
    )  # fmt: skip
    assert bytes_of(Path("feats")) == before
    run = extract("--stride", "8", "--overwrite")
    assert (run.code, {each.spec["stride"] for each in run.status.values() if each.spec}) == (0, {8})


def spoil_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "array-cut": ("npy", lambda path: path.write_bytes(path.read_bytes()[:-100]), "promises more than the file holds"),
    "array-empty": ("npy", lambda path: path.write_bytes(b""), "is empty"),
    "array-changed": ("npy", spoil_middle, "does not hold the numbers that its record was written for"),
    "array-text": ("npy", lambda path: path.write_text("words"), "is not a .npy file"),
    "array-rows": ("npy", lambda path: np.save(path, np.zeros((1, 256), np.float32)), "has shape (1, 256)"),
    "record-cut": ("json", lambda path: path.write_bytes(path.read_bytes()[:-20]), "it is not JSON"),
    "record-odd": ("json", lambda path: path.write_text("[]"), 'it has no "schema" number'),
}


def test_case_22_damaged_features(extract: Cli, good_video: Path) -> None:
    """Cut, changed or foreign feature files are found, made again to the same bytes, and noted in the status."""
    for name in DAMAGE:
        write_numbered(Path(f"videos/{name}.mp4"), range(50))
    assert extract().code == 0
    before = bytes_of(Path("feats"))
    for name, (kind, damage, _) in DAMAGE.items():
        damage(Path(f"feats/{name}.{kind}"))
    run = extract()
    assert run.code == 0
    assert run.out.splitlines()[-1].startswith(f"{len(DAMAGE)} videos extracted to feats, 2 already there.")
    assert {**bytes_of(Path("feats")), "status.jsonl": b""} == {**before, "status.jsonl": b""}
    for name, (_, _, cause) in DAMAGE.items():
        status = run.status[name]
        assert status.state == "done"
        remarks = [each for each in status.warnings if each.startswith("its features were damaged (")]
        assert len(remarks) == 1 and cause in remarks[0] and remarks[0].endswith("and are extracted again")
        assert f"videos/{name}.mp4: its features were damaged" in run.err
    assert extract().out.splitlines()[-1].startswith("0 videos extracted to feats, 9 already there.")
    assert {key: each.state for key, each in read_status("feats").items()} == dict.fromkeys(run.status, "done")


def test_case_22_damaged_answers(detect: Cli) -> None:
    """So are the answers of `detect`."""
    assert detect().code == 0
    before = bytes_of(Path("answers"))
    answer = Path("answers/good-1.json")
    answer.write_bytes(answer.read_bytes()[:-30])
    run = detect()
    assert run.code == 0
    assert "videos/good-2.mp4  is there already" in run.err and "videos/good-1.mp4  is there" not in run.err
    assert bytes_of(Path("answers")) == before
    assert json.loads(answer.read_text())["results"]
