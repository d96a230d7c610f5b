"""The order in which THUMOS14's annotators wrote down the instances of a test video, where that is not by time.

The ground truth here is sorted by time. The text files that the data set came as are not quite, the authors' files keep
their order, and where a prediction has the same IoU with two instances the order decides which one it takes.
"""

from __future__ import annotations

from dataclasses import replace

from wtalkit.annotations import Annotations, Instance, VideoAnnotation

_END = None


def _last(*starts_s: float) -> tuple[tuple[float, None], ...]:
    return tuple((start_s, _END) for start_s in starts_s)


MOVED: dict[tuple[str, str], tuple[tuple[float, float | None], ...]] = {
    ("video_test_0000046", "GolfSwing"): ((79.2, 170.5),),
    ("video_test_0000250", "BasketballDunk"): _last(39.5),
    ("video_test_0000367", "Shotput"): _last(147.6),
    ("video_test_0000374", "TennisSwing"): ((3.1, 89.0),),
    ("video_test_0000405", "CricketShot"): _last(54.6, 60.9, 76.4, 91.0, 110.0, 114.2, 129.6),
    ("video_test_0000423", "TennisSwing"): ((30.5, 137.5), (33.5, 137.5)),
    ("video_test_0000601", "BasketballDunk"): _last(292.5),
    ("video_test_0000615", "VolleyballSpiking"): ((128.4, 184.0),),
    ("video_test_0000716", "BasketballDunk"): _last(30.4),
    ("video_test_0000771", "Billiards"): _last(46.2),
    ("video_test_0000796", "CricketBowling"): _last(12.5, 60.2, 88.1, 104.1, 119.7),
    ("video_test_0000798", "CricketShot"): _last(16.2, 35.1, 55.8, 88.2),
    ("video_test_0000807", "Diving"): _last(117.2, 151.9),
    ("video_test_0000814", "ThrowDiscus"): _last(21.5, 24.8, 32.2, 78.7, 165.7),
    ("video_test_0000940", "Diving"): _last(68.3),
    ("video_test_0001079", "LongJump"): ((350.6, 356.2),),
    ("video_test_0001081", "Diving"): _last(105.9),
    ("video_test_0001194", "CricketShot"): _last(83.0),
    ("video_test_0001257", "BasketballDunk"): _last(8.5, 11.7, 39.6, 68.1, 116.9, 241.2),
    ("video_test_0001268", "Shotput"): _last(44.4),
    ("video_test_0001313", "CricketBowling"): _last(79.6, 81.7, 103.3, 118.4),
    ("video_test_0001325", "CricketShot"): _last(36.0, 47.8, 92.4),
    ("video_test_0001358", "CricketShot"): _last(129.5, 160.8, 166.3, 180.8, 186.0),
    ("video_test_0001463", "VolleyballSpiking"): ((88.4, 101.6),),
}
"""By video and class: the instance that starts at the first second stands before the one that starts at the second.

Source: ``data/thumos_14/temporal_annotations_test`` of yjxiong/action-detection @ 3d8ff83.
"""


def as_annotated(annotations: Annotations) -> Annotations:
    """The same with the instances of THUMOS14's test videos in the order in which they were written down."""
    moved: dict[str, VideoAnnotation] = {}
    for (key, label), moves in MOVED.items():
        video = moved.get(key, annotations.videos.get(key))
        if video is not None:
            moved[key] = replace(video, segments=_moved(video.segments, label, moves))
    return replace(annotations, videos={key: moved.get(key, video) for key, video in annotations.videos.items()})


def _moved(
    segments: tuple[Instance, ...], label: str, moves: tuple[tuple[float, float | None], ...]
) -> tuple[Instance, ...]:
    order = list(segments)
    for start_s, before_s in moves:
        found = [each for each in order if (each.label, each.start_s) == (label, start_s)]
        order = [each for each in order if each not in found]
        places = [place for place, each in enumerate(order) if (each.label, each.start_s) == (label, before_s)]
        at = places[0] if places else len(order)
        order[at:at] = found
    return tuple(order)
