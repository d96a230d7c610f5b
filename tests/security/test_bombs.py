"""Small files that claim to be large: refused before memory is taken for what they claim."""

from __future__ import annotations

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from tests.conftest import REPOSITORY
from tests.security.targets import ANNOTATIONS, HEADER, RECORD, npy

ROWS = 100_000_000_000
MOST_MIB = 60
"""What refusing may take; every bomb here claims a gigabyte or more."""

CHILD = """
import json, resource, sys
from pathlib import Path
from wtalkit.annotations import load_annotations
from wtalkit.errors import WtalkitError
from wtalkit.evaluation import load_predictions
from wtalkit.features import read_features
from wtalkit.modelfile import load_model
from wtalkit.object_arrays import read_object_array
from wtalkit.official import read_checkpoint
from wtalkit.proposals import load_proposals
from wtalkit.training.checkpoint import load_checkpoint

resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))

def resident(kind):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024

def attempt(reader, path):
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = resident("VmRSS")
    try:
        globals()[reader](Path(path))
        return None
    except WtalkitError as error:
        return round(resident("VmHWM") - before), error.exit_code, str(error)
    except BaseException as error:
        return 0, 0, repr(error)

print(json.dumps([[attempt(reader, path) for path in paths] for reader, *paths in json.load(sys.stdin)]))
"""


def header(text: str, length: int | None = None, data: bytes = b"") -> bytes:
    """A safetensors file whose header is ``text``."""
    content = text.encode()
    return struct.pack("<Q", len(content) if length is None else length) + content + data


def tensors(*ranges: tuple[int, int], shape: list[int] | None = None) -> str:
    """A header with a tensor for each range of the data."""
    entries = {
        f"t{number}": {"dtype": "F32", "shape": shape or [(end - start) // 4], "data_offsets": [start, end]}
        for number, (start, end) in enumerate(ranges)
    }
    return json.dumps({"__metadata__": {"wtalkit": json.dumps(HEADER)}, **entries})


def described(description: object) -> str:
    """A header with the description of a model, and no tensors."""
    return json.dumps({"__metadata__": {"wtalkit": json.dumps(description)}})


def torch_archive(change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """What ``torch.save`` writes of one tensor, with its entries changed."""
    written, result = io.BytesIO(), io.BytesIO()
    torch.save({"w": torch.ones(4)}, written)
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(result, "w", compression) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, change(entry.filename, source.read(entry)))
    return result.getvalue()


def torch_file(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def gzipped(start: bytes, middle: bytes, end: bytes) -> bytes:
    """A thousand times a MiB of ``middle``; gzip takes members one after the other."""
    return gzip.compress(start) + gzip.compress(middle * ((1 << 20) // len(middle))) * 1000 + gzip.compress(end)


FEATURES = np.ones((3, 8), np.float32)
NPY = {
    "rows": lambda: npy(FEATURES).replace(b"(3, 8), }" + b" " * 10, b"(%d, 8), }" % ROWS),
    "overflowing rows": lambda: npy(FEATURES).replace(b"(3, 8), }" + b" " * 18, b"(9223372036854775807, 8), }"),
    "long header": lambda: b"\x93NUMPY\x02\x00" + struct.pack("<I", (1 << 32) - 1) + b" " * 1000,
    "header of 100 MB": lambda: b"\x93NUMPY\x02\x00" + struct.pack("<I", 100 << 20) + b" " * (100 << 20),
    "nested header": lambda: b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000,
}
SAFETENSORS = {
    "header length": lambda: header("{}", 1 << 63),
    "rows": lambda: header(tensors((0, 16), shape=[ROWS]), data=bytes(16)),
    "beyond the end": lambda: header(tensors((0, ROWS * 4)), data=bytes(16)),
    "overlapping": lambda: header(tensors((0, 16), (0, 16)), data=bytes(16)),
    "hole": lambda: header(tensors((0, 16), (32, 48)), data=bytes(48)),
    "header of 100 MB": lambda: header('{"__metadata__": {"a": "' + "x" * (100 << 20) + '"}}'),
    "duplicated key": lambda: header('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, ' * 2 + '"b": 1}'),
    "nested": lambda: header('{"a":' * 100_000),
    "nested description": lambda: header(json.dumps({"__metadata__": {"wtalkit": '{"a":' * 100_000}})),
    "layers": lambda: header(described({**HEADER, "options": {"hidden": ROWS}})),
}  # fmt: skip
TORCH = {
    "compressed numbers": lambda: torch_archive(lambda name, old: bytes(1 << 28) if name.endswith("data/0") else old),
    "compressed pickle": lambda: torch_archive(lambda name, old: bytes(1 << 28) if name.endswith(".pkl") else old),
    "expanded": lambda: torch_file({"w": torch.ones(1).expand(ROWS)}),
    "many views": lambda: torch_file(dict(zip(map(str, range(4096)), [torch.ones(1 << 16)] * 4096, strict=True))),
    "sparse": lambda: torch_file({"w": torch.ones(4).to_sparse()}),
    "meta": lambda: torch_file({"w": torch.ones(4, device="meta")}),
    "cut": lambda: torch_file({"w": torch.ones(4)})[:-100],
}  # fmt: skip
JSON = {
    "gzip": lambda: gzipped(b'{"database": {"a": {"duration": "', b"x", b'"}}}'),
    "gzip of lists": lambda: gzipped(b'{"results": [', b"[],", b"[]]}"),
    "nested": lambda: gzip.compress(b'{"a":' * 1_000_000),
}
LISTS = {"lists": lambda: b"[" + b"[]," * 24_000_000 + b"[]]"}
CASES = [
    *((reader, f"x{suffix}", name, make) for reader, suffix, table in (
        ("read_features", ".npy", NPY), ("read_object_array", ".npy", NPY),
        ("load_model", ".safetensors", SAFETENSORS), ("load_checkpoint", ".safetensors", SAFETENSORS),
        ("read_checkpoint", ".safetensors", SAFETENSORS), ("read_checkpoint", ".pth", TORCH),
        ("load_annotations", ".json.gz", JSON), ("load_predictions", ".json.gz", JSON),
        ("load_proposals", ".json", LISTS),
    ) for name, make in table.items()),
]  # fmt: skip
WARM = {
    ".npy": lambda: npy(FEATURES)[:-3],
    ".safetensors": lambda: save({"w": torch.ones(2)}),
    ".pth": lambda: torch_file({"w": torch.ones(2) * float("nan")}),
    ".json": lambda: json.dumps(ANNOTATIONS).encode(),
    ".gz": lambda: gzip.compress(json.dumps(ANNOTATIONS).encode()),
}


IDS = [f"{reader}-{Path(file).suffix[1:]}-{name}" for reader, file, name, _ in CASES]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, tuple[int, int, str] | None]]:
    """File of each case, and memory in MiB, exit code and sentence of its refusal; all tried in one process."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("peaks of memory are measured by Linux' /proc")
    asked = []
    for identity, (reader, file, _, make) in zip(IDS, CASES, strict=True):
        folder = tmp_path_factory.mktemp("bomb")
        path, warm = folder / file, folder / f"warm{Path(file).suffix}"
        path.write_bytes(make())
        warm.write_bytes(WARM[path.suffix]())
        (folder / "x.json").write_text(json.dumps(RECORD))
        asked.append((identity, reader, str(warm), str(path)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD], input=json.dumps([each[1:] for each in asked]),
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    return {each[0]: (each[3], answer[1]) for each, answer in zip(asked, answers, strict=True)}


@pytest.mark.parametrize("case", IDS)
def test_refused_without_memory(refusals: dict[str, tuple[str, tuple[int, int, str] | None]], case: str) -> None:
    path, answer = refusals[case]
    assert answer is not None, "it was accepted"
    grown, code, text = answer
    assert text.startswith(path)
    assert code == (1 if path.endswith(".npy") else 2)
    assert grown < (MOST_MIB if case != "load_proposals-json-lists" else 2 * 72), text  # the file itself
