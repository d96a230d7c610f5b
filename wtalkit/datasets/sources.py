"""Where the ground truth comes from, and under which licence; ``docs/datasets.md`` shows the same table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A file of a public repository.

    Attributes:
        dataset: the data set it serves.
        what: what was taken from it.
        repository: ``owner/name`` on GitHub.
        revision: the commit.
        path: within the repository.
        licence: what the repository states; None where it states none.
    """

    dataset: str
    what: str
    repository: str
    revision: str
    path: str
    licence: str | None


SOURCES: tuple[Source, ...] = (
    Source(
        "thumos14",
        "instances and ambiguous intervals",
        "yjxiong/action-detection",
        "3d8ff83",
        "data/thumos_14/temporal_annotations_*",
        "BSD-3-Clause",
    ),
    Source(
        "thumos14",
        "durations and labels per video",
        "harlanhong/MM2021-CO2-Net",
        "e879687",
        "Thumos14reduced-Annotations/*.npy",
        None,
    ),
    Source(
        "thumos14",
        "frame rates",
        "Pilhyeon/Learning-Action-Completeness-from-Points",
        "1ef066a",
        "dataset/THUMOS14/fps_dict.json",
        "MIT",
    ),
    Source("thumos14", "numbers of frames", "ispc-lab/ACM-Net", "4d38dc6", "data/THUMOS14/gt.json", "MIT"),
    Source(
        "activitynet1.2",
        "everything",
        "VividLe/BackTAL",
        "17161fc",
        "lib/dataset/materials_ActivityNet1.2/activity_net.v1-2.min.json",
        None,
    ),
    Source(
        "activitynet1.2",
        "a second copy to compare with: 8,907 of the 9,682 videos, no difference",
        "Finspire13/CMCS-Temporal-Action-Localization",
        "d03f480",
        "labels/activity_net.v1-2.min-missing-removed.json",
        "MIT",
    ),
    Source(
        "activitynet1.3",
        "instances and durations",
        "JJBOY/BMN-Boundary-Matching-Network",
        "a92c1d7",
        "data/activitynet_annotations/anet_anno_action.json",
        "MIT",
    ),
    Source(
        "activitynet1.3",
        "numbers of frames",
        "JJBOY/BMN-Boundary-Matching-Network",
        "a92c1d7",
        "data/activitynet_annotations/video_info_new.csv",
        "MIT",
    ),
)
