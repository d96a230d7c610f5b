"""What is fuzzed: one function per reader of foreign files, and valid documents to begin with.

A target writes the bytes to a file and reads it as the commands do. Errors of ours are an answer; whatever else comes
out is a finding. Both the property tests and ``fuzz.py`` use this table.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wtalkit.errors import WtalkitError

Target = Callable[[bytes, Path], object]
SPEC = {
    "fps": 25.0, "window": 16, "stride": 16, "streams": ["rgb", "flow"], "dim": 8, "backbone": "i3d", "flow": "tvl1",
}  # fmt: skip
RECORD = {
    "schema": 1, "video": "x.mp4", **SPEC, "duration_s": 1.92, "frames": 48, "complete": True, "gaps": [[0.5, 0.7]],
    "warnings": ["w"], "expected_duration_s": 2.0, "source_bytes": 3, "wtalkit": "0",
}  # fmt: skip
ANNOTATIONS = {
    "version": "v",
    "database": {
        "a/x": {"subset": "testing", "duration": 9.5, "annotations": [{"label": "bow", "segment": [0.5, 1.5]}]},
        "b": {"subset": "training", "video_labels": ["wave"], "annotations": [{"label": "wave", "segment": [1, 3]}]},
    },
}
PREDICTIONS = {
    "version": "v",
    "results": {"a/x": [{"label": "bow", "score": 0.5, "segment": [0.5, 1.25]}, {"label": "wave", "score": 1,
                "segment": [1, 2]}]},
    "external_data": {"model": {"method": "co2net", "plugins": []}, "proposer": {"method": "co2net"}},
}  # fmt: skip
HEADER = {
    "schema_version": 1, "method": "acrnet", "plugins": [], "classes": ["bow", "wave"], "feature_dim": 16,
    "options": {"hidden": 4}, "decoder": {}, "feature_spec": SPEC, "provenance": {"seed": 0},
}  # fmt: skip
STATUS = {
    "schema": 1, "video": "a", "path": "a.mp4", "state": "done", "cause": None, "decoded_s": 1.0, "expected_s": 1.0,
    "gaps": [[0.1, 0.2]], "warnings": [], "spec": SPEC, "wtalkit": "0",
}  # fmt: skip
SETTINGS = b'videos = "v"\nannotations = "a.json"\ntrain_subset = "training"\nbackbone = "i3d"\n'
RECIPE = (
    b'steps = 10\nlr = 1e-3\nbatch_size = 4\nlength = 8\nsampling = "full"\n'
    b'[acrnet]\nhidden = 16\n[decoder]\ngamma = 0.2\n[run]\nrecipe = "x"\n'
)


@dataclass(frozen=True)
class Fuzzed:
    """A reader under test.

    Attributes:
        read: what is done with the bytes.
        seeds: valid documents.
        is_json: whether they can also be changed value by value.
    """

    read: Target
    seeds: tuple[bytes, ...]
    is_json: bool = False


def run(name: str, content: bytes, folder: Path) -> object | None:
    """Give ``content`` to a target; None where it was refused as a user would be told."""
    try:
        return TARGETS[name].read(content, folder)
    except WtalkitError as error:
        assert str(error)
        return None


def _annotations(suffix: str) -> Target:
    def read(content: bytes, folder: Path) -> object:
        from wtalkit.annotations import load_annotations

        return _used(load_annotations(_written(folder / f"annotations{suffix}", content)))

    return read


def _used(annotations: Any) -> object:
    """What the commands do next with annotations."""
    from wtalkit.annotations import points_from_segments, resolve_subset, training_problems

    json.dumps(annotations.to_activitynet(), allow_nan=False)
    subset = resolve_subset("train", annotations)
    training_problems(annotations, {"a", "b"}, train_subset=subset)
    return points_from_segments(annotations, subset=subset)


def _class_folders(content: bytes, folder: Path) -> object:
    """Each line is a path to make, where the file system can."""
    from wtalkit.annotations import load_annotations

    root = folder / "classes"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for line in content.split(b"\n")[:8]:
        parts = [part[:60] for part in line.decode("utf-8", "surrogateescape").replace("\0", "").split("/")]
        parts = [part for part in parts if part not in ("", ".", "..")][:4]
        if parts:
            path = root.joinpath(*parts)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            except OSError:
                continue
    return load_annotations(root)


def _predictions(content: bytes, folder: Path) -> object:
    from wtalkit.annotations.activitynet import parse_activitynet
    from wtalkit.evaluation import evaluate_predictions, load_predictions

    document = load_predictions(_written(folder / "predictions.json", content))
    return evaluate_predictions(document, parse_activitynet(ANNOTATIONS), [0.5])


def _ground_truth(content: bytes, folder: Path) -> object:
    from wtalkit.annotations import load_annotations
    from wtalkit.evaluation import evaluate_predictions

    return evaluate_predictions(PREDICTIONS, load_annotations(_written(folder / "truth.json", content)), [0.5])


def _proposals(content: bytes, folder: Path) -> object:
    from wtalkit.proposals import load_proposals

    found = load_proposals(_written(folder / "proposals.json", content))
    return str(found.proposer), found.of("a/x")


def _features_array(content: bytes, folder: Path) -> object:
    from wtalkit.features import read_features

    (folder / "x.json").write_text(json.dumps(RECORD))
    return read_features(_written(folder / "x.npy", content)).array.sum()


def _features_record(content: bytes, folder: Path) -> object:
    from wtalkit.features import FeatureFolder, FeatureSpec, read_features

    root = folder / "feats"
    root.mkdir(exist_ok=True)
    _written(root / "x.json", content)
    if not (root / "x.npy").exists():
        np.save(root / "x.npy", np.zeros((3, 8), np.float32))
    read_features(root / "x.npy").require(FeatureSpec.from_dict(SPEC))
    return FeatureFolder(root).spec.timeline.snippet_count(100)


def _object_array(content: bytes, folder: Path) -> object:
    from wtalkit.object_arrays import read_object_array

    return read_object_array(_written(folder / "objects.npy", content))


def _settings(content: bytes, folder: Path) -> object:
    from wtalkit.project import Project

    _written(folder / "wtalkit.toml", content)
    project = Project.load(folder)
    return project.annotations, project.runs


def _recipe(content: bytes, folder: Path) -> object:
    from wtalkit.training.recipes import load_recipe, proposer_recipe

    path = str(_written(folder / "recipe.toml", content))
    load_recipe(path, "acrnet", ["clasnet"])
    return proposer_recipe(path, "seal", ["co2net"], [], "samples")


def _assignment(content: bytes, folder: Path) -> object:
    from wtalkit.training.recipes import load_recipe

    return load_recipe("samples", "acrnet", (), [content.decode("utf-8", "surrogateescape")])


def _model(content: bytes, folder: Path) -> object:
    from wtalkit.modelfile import load_model

    return load_model(_written(folder / "model.safetensors", content))


def _model_header(content: bytes, folder: Path) -> object:
    """The description of a model inside of a file that is sound otherwise."""
    return _model(safetensors({"wtalkit": content.decode("utf-8", "replace")}), folder)


def _resume(content: bytes, folder: Path) -> object:
    from wtalkit.training.checkpoint import load_checkpoint

    return load_checkpoint(_written(folder / "resume.safetensors", content))


def _resume_state(content: bytes, folder: Path) -> object:
    return _resume(safetensors({"wtalkit.training": content.decode("utf-8", "replace")}), folder)


def _authors(content: bytes, folder: Path) -> object:
    from wtalkit.official import read_checkpoint

    return read_checkpoint(_written(folder / "authors.pth", content))


def _status(content: bytes, folder: Path) -> object:
    from wtalkit.status import StatusFile, read_status

    _written(folder / "status.jsonl", content)
    found = StatusFile(folder).tidy()
    again = read_status(folder)
    assert found == again
    return found


def _classes(content: bytes, folder: Path) -> object:
    from wtalkit.official import read_classes

    return read_classes(_written(folder / "classes.txt", content), None)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def safetensors(metadata: dict[str, str], tensors: bytes = b"") -> bytes:
    """A safetensors file without tensors."""
    header = json.dumps({"__metadata__": metadata}).encode()
    return struct.pack("<Q", len(header)) + header + tensors


def npy(array: Any, protocol: int = 4) -> bytes:
    """What ``numpy.save`` writes, with a protocol of choice."""
    file = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    if not array.dtype.hasobject:
        np.save(file, array)
        return file.getvalue()
    np.lib.format.write_array_header_1_0(file, header)
    pickle.dump(array, file, protocol)
    return file.getvalue()


def _torch_file(legacy: bool) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save({"state_dict": {"w": torch.ones(2, 3)}}, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def _object_seeds() -> tuple[bytes, ...]:
    rows = np.empty((2,), object)
    rows[:] = [["bow", b"x", 1, None], {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float64(2)}]
    return (
        *(npy(rows, protocol) for protocol in range(6)),
        *(pickle.dumps({"a": [(1.5, "x")], "b": rows[1]["a"].T}, protocol) for protocol in (0, 2, 5)),
        npy(np.array(["a", "bc"])),
    )


def _json(*documents: object) -> tuple[bytes, ...]:
    return tuple(json.dumps(document, indent=1).encode() for document in documents)


_TABLE = b"video,label,start,end,subset\r\nx.mp4,bow|wave,1,2,training\nb.mp4,wave\n"
TARGETS: dict[str, Fuzzed] = {
    "annotations-json": Fuzzed(_annotations(".json"), _json(ANNOTATIONS), is_json=True),
    "annotations-gz": Fuzzed(_annotations(".json.gz"), (gzip.compress(_json(ANNOTATIONS)[0], mtime=0),)),
    "labels-csv": Fuzzed(
        _annotations(".csv"), (_TABLE, b"\xef\xbb\xbfvideo;label;point;start;end\na;x;1,5\na;x;;1;2\n", b"a,b,1,2\n")
    ),
    "class-folders": Fuzzed(_class_folders, (b"bow/x.mp4\nwave/a/y.MKV\n",)),
    "predictions": Fuzzed(_predictions, _json(PREDICTIONS), is_json=True),
    "ground-truth": Fuzzed(_ground_truth, _json(ANNOTATIONS), is_json=True),
    "proposals": Fuzzed(_proposals, _json(PREDICTIONS), is_json=True),
    "features-array": Fuzzed(_features_array, (npy(np.ones((3, 8), np.float32)), npy(np.ones((3, 8), np.float16)))),
    "features-record": Fuzzed(_features_record, _json(RECORD), is_json=True),
    "object-array": Fuzzed(_object_array, _object_seeds()),
    "settings": Fuzzed(_settings, (SETTINGS,)),
    "recipe": Fuzzed(_recipe, (RECIPE,)),
    "assignment": Fuzzed(_assignment, (b"lr=1e-3", b"acrnet.hidden = 4", b"decoder={gamma=1}")),
    "model": Fuzzed(_model, (safetensors({"wtalkit": json.dumps(HEADER)}),)),
    "model-header": Fuzzed(_model_header, _json(HEADER), is_json=True),
    "resume": Fuzzed(_resume, (safetensors({"wtalkit.training": '{"schema": 1}'}),)),
    "resume-state": Fuzzed(_resume_state, _json({"schema": 1, "step": 3, "digest": "d", "batches": {}}), is_json=True),
    "authors-checkpoint": Fuzzed(_authors, (_torch_file(False), _torch_file(True))),
    "status": Fuzzed(_status, (json.dumps(STATUS).encode() + b"\n",), is_json=True),
    "classes": Fuzzed(_classes, (b"bow\nwave\n",)),
}
