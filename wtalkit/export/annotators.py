"""Formats of tools that people label and look at videos with: Label Studio, VIA 3, FiftyOne."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from wtalkit.export.answer import Answer, VideoAnswer
from wtalkit.export.text import encodable
from wtalkit.export.written import Written

_VIA_TYPES = {"video": 4, "select": 4}
_VIA_FILE_URI = 3
_VIA_SEGMENT = "FILE1_Z2_XY0"
"""An attribute of a stretch of time in one file."""
_CREATOR = "VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)"


def labelstudio(answer: Answer) -> Written:
    """Tasks with predictions (https://labelstud.io/tags/timelinelabels): frames from 1, both ends included."""
    return _dump([_task(video, str(answer.document.get("version", ""))) for video in answer.videos])


def _task(video: VideoAnswer, version: str) -> dict[str, Any]:
    footage = video.seen
    regions = []
    for number, segment in enumerate(video.segments, start=1):
        first, last = footage.first_and_last_frame(segment.start_s, segment.end_s)
        regions.append(
            {
                "id": f"segment{number}",
                "from_name": "actions",
                "to_name": "video",
                "type": "timelinelabels",
                "origin": "prediction",
                "value": {"ranges": [{"start": first, "end": last}], "timelinelabels": [segment.label]},
                "score": segment.score,
            }
        )
    return {
        "data": {"video": video.uri, "key": video.key, "fps": float(footage.fps)},
        "predictions": [{"model_version": version, "result": regions}],
    }


def via(answer: Answer) -> Written:
    """A project of VIA 3 (https://www.robots.ox.ac.uk/~vgg/software/via/) with a segment on the timeline for each."""
    views = [str(number) for number, _ in enumerate(answer.videos, start=1)]
    metadata = {
        f"{view}_{number:08d}": {
            "vid": view,
            "flg": 0,
            "z": [segment.start_s, segment.end_s],
            "xy": [],
            "av": {"1": segment.label},
        }
        for view, video in zip(views, answer.videos, strict=True)
        for number, segment in enumerate(video.segments, start=1)
    }
    return _dump(
        {
            "project": {
                "pid": "__VIA_PROJECT_ID__",
                "rev": "__VIA_PROJECT_REV_ID__",
                "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
                "pname": "wtalkit",
                "data_format_version": "3.1.1",
                "creator": _CREATOR,
                "created": 0,
                "vid_list": views,
            },
            "config": {
                "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
                "ui": {
                    "file_content_align": "center",
                    "file_metadata_editor_visible": True,
                    "spatial_metadata_editor_visible": False,
                    "temporal_segment_metadata_editor_visible": True,
                    "spatial_region_label_attribute_id": "",
                    "gtimeline_visible_row_count": "4",
                },
            },
            "attribute": {
                "1": {
                    "aname": "action",
                    "anchor_id": _VIA_SEGMENT,
                    "type": _VIA_TYPES["select"],
                    "desc": "",
                    "options": {label: label for label in answer.labels},
                    "default_option_id": "",
                }
            },
            "file": {
                view: {
                    "fid": view,
                    "fname": video.file_name,
                    "type": _VIA_TYPES["video"],
                    "loc": _VIA_FILE_URI,
                    "src": video.uri,
                }
                for view, video in zip(views, answer.videos, strict=True)
            },
            "view": {view: {"fid_list": [view]} for view in views},
            "metadata": metadata,
        }
    )


def fiftyone(answer: Answer) -> Written:
    """``labels.json`` of a FiftyOneTemporalDetectionDataset: frames from 1, both ends included, else seconds."""
    labels = answer.labels
    numbers = {label: number for number, label in enumerate(labels)}
    found: dict[str, list[dict[str, Any]]] = {}
    remarks = []
    for video in answer.videos:
        if _uuid(video) in found:
            remarks.append(f"{video.key}: left out, FiftyOne knows it by the name of another, {_uuid(video)}")
            continue
        detections = []
        for segment in video.segments:
            detection: dict[str, Any] = {"label": numbers[segment.label]}
            if video.footage is None:
                detection["timestamps"] = [segment.start_s, segment.end_s]
            else:
                detection["support"] = list(video.footage.first_and_last_frame(segment.start_s, segment.end_s))
            detection["confidence"] = segment.score
            detections.append(detection)
        found[_uuid(video)] = detections
    return _dump({"classes": list(labels), "labels": found}, remarks)


def _uuid(video: VideoAnswer) -> str:
    """How FiftyOne names a video: its path below the folder of videos, without extension."""
    suffix = PurePosixPath(video.file_name).suffix
    return video.key.removesuffix(suffix) if suffix else video.key


def _dump(value: Any, remarks: Sequence[str] = ()) -> Written:
    text = encodable(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)) + "\n"
    return Written(text, tuple(remarks))
