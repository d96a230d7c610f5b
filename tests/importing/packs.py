"""Small packs in every layout, as their authors wrote them, of real videos' names, labels and durations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.security.pickles import Python2
from wtalkit.annotations import Annotations
from wtalkit.datasets import load_dataset

Array = np.ndarray[Any, Any]

THUMOS = (
    "video_validation_0000190", "video_validation_0000854", "video_validation_0000261", "video_test_0000062",
    "video_test_0000698", "video_test_0001433",
)  # fmt: skip
ACTIVITYNET = ("_MYAaRrTeMQ", "7wBrvMGZROQ", "pHhcYS_wPys", "MAyYq3HilFc")
"""In both versions; the classes of the first two as well."""


whole = cache(load_dataset)


def truth(dataset: str = "thumos14", keys: Sequence[str] = THUMOS) -> Annotations:
    return whole(dataset).only(set(keys))


def own() -> Annotations:
    """Annotations that are of no public data set."""
    renames = dict(zip(THUMOS, ("a", "b", "c", "d", "e", "f"), strict=True))
    given = truth()
    videos = {renames[key]: replace(video, fps=None, frames=None, ambiguous=()) for key, video in given.videos.items()}
    labels = {label for video in videos.values() for label in video.labels}
    return Annotations(videos, tuple(sorted(labels | {i.label for v in videos.values() for i in v.segments})))


def features(
    known: Annotations, *, fps: float = 25, stride: int = 16, width: int = 2048, dtype: str = "float32", less: int = 0
) -> dict[str, Array]:
    """Arrays as long as the videos call for."""
    found = {}
    for number, (key, video) in enumerate(known.videos.items()):
        rows = max(2, (int((video.duration_s or 9) * fps) - 16) // stride + 1 - less)
        found[key] = np.random.default_rng(number).random((rows, width), np.float32).astype(dtype)
    return found


def objects(values: Sequence[Any]) -> Array:
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array


def write_wtalc(
    folder: Path,
    known: Annotations,
    arrays: Mapping[str, Array],
    *,
    name: str = "Thumos14reduced",
    python2: bool = False,
    urls: Mapping[str, str] | None = None,
) -> Path:
    """W-TALC, CO2-Net, DELU; ``arrays`` by the pack's names in the order of ``known``."""
    notes = folder / f"{name}-Annotations"
    notes.mkdir(parents=True)
    videos = list(known.videos.values())
    save(folder / f"{name}-I3D-JOINTFeatures.npy", list(arrays.values()), python2=python2)
    save(notes / "labels.npy", [[each.label for each in video.segments] for video in videos], python2=python2)
    save(
        notes / "labels_all.npy",
        [np.array(video.labels) if not python2 else list(video.labels) for video in videos],
        python2=python2,
    )
    save(
        notes / "segments.npy",
        [[[each.start_s, each.end_s] for each in video.segments] for video in videos],
        python2=python2,
    )
    np.save(notes / "duration.npy", np.array([[video.duration_s or 0] for video in videos]))
    np.save(notes / "subset.npy", np.array([video.subset for video in videos], dtype="S"))
    np.save(notes / "videoname.npy", np.array(list(arrays), dtype="S"))
    np.save(notes / "classlist.npy", np.array(known.classes, dtype="S"))
    np.save(notes / "extracted_fps.npy", np.full(len(videos), 10))
    if urls is not None:
        np.save(notes / "url.npy", np.array([urls[each] for each in arrays]))
    lines = [f"{key}  {a} {b}" for key, video in known.videos.items() for a, b in video.ambiguous]
    (notes / "Ambiguous_test.txt").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return folder


def save(path: Path, values: Sequence[Any], *, python2: bool) -> None:
    """An object array, pickled as now, or as Python 2 did."""
    if not python2:
        np.save(path, objects(values), allow_pickle=True)
        return
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": (len(values),)}
        )  # fmt: skip
        file.write(Python2(2).dumps(objects(values)))


def write_split(
    folder: Path, known: Annotations, arrays: Mapping[str, Array], *, joined: bool = False, prefix: str = "",
    sides: Mapping[str, str] | None = None,
) -> Path:  # fmt: skip
    """BaS-Net, UM, CoLA, LAC; ACM-Net with both streams joined."""
    sides = sides or {"validation": "train", "test": "test"}
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for key, array in arrays.items():
        side, name = sides[known.videos[key].subset or ""], prefix + key
        lists[side].append(name)
        half = array.shape[1] // 2
        parts = {"": array} if joined else {"rgb": array[:, :half], "flow": array[:, half:]}
        for stream, part in parts.items():
            path = folder / side / f"{name}.npy" if joined else folder / "features" / side / stream / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, part)
    for side, names in lists.items():
        (folder / f"split_{side}.txt").write_text("".join(f"{name}\n" for name in names))
    write_json(folder / "gt.json", known, prefix=prefix, text_times=not joined, durations=joined)
    return folder


def write_lac(folder: Path, known: Annotations, points: Sequence[tuple[str, str, int]], fps: float = 30.0) -> None:
    """What LAC's pack has besides: class, video and number of the frame."""
    (folder / "fps_dict.json").write_text(json.dumps(dict.fromkeys(known.videos, fps)))
    (folder / "point_gaussian").mkdir()
    rows = [f"{label},0,0,9,{video},{frame}" for label, video, frame in points]
    text = "\n".join(["class,class_index,start_frame,stop_frame,video_id,point", *rows])
    (folder / "point_gaussian" / "point_labels.csv").write_text(text)


def write_json(
    path: Path,
    known: Annotations,
    *,
    prefix: str = "",
    text_times: bool = False,
    durations: bool = True,
    fps: bool = False,
) -> None:
    """Annotations without weak labels, as packs have them."""
    database = {}
    for key, video in known.videos.items():
        entry: dict[str, Any] = {
            "subset": video.subset,
            "annotations": [
                {"label": each.label, "segment": [str(each.start_s), str(each.end_s)]}
                if text_times
                else {"label": each.label, "label_id": 0, "segment": [each.start_s, each.end_s]}
                for each in video.segments
            ],
        }
        if durations:
            entry["duration"] = video.duration_s
        if fps:
            entry["fps"] = video.fps
        database[prefix + key] = entry
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"database": database}))


def write_flat(
    folder: Path, known: Annotations, arrays: Mapping[str, Array], *, prefix: str = "", name: str = "i3d_features"
) -> Path:
    """ActionFormer."""
    (folder / name).mkdir(parents=True)
    for key, array in arrays.items():
        np.save(folder / name / f"{prefix}{key}.npy", array)
    write_json(folder / "annotations" / "thumos14.json", known, fps=True)
    return folder


def write_hdf5(path: Path, arrays: Mapping[str, Array], *, prefix: str = "v_", inner: str | None = None) -> Path:
    """An array per video, or a group with one in it."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file.create_dataset(
                f"{prefix}{key}" + (f"/{inner}" if inner else ""), data=array, chunks=True, compression=1
            )
    return path
