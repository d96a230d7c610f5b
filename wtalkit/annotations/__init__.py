"""What is known about videos: labels for training, instances for scoring, in the formats people have."""

from __future__ import annotations

from wtalkit.annotations.check import require_trainable, training_problems
from wtalkit.annotations.counts import class_counts
from wtalkit.annotations.load import load_annotations
from wtalkit.annotations.model import Annotations, Instance, Point, VideoAnnotation
from wtalkit.annotations.points import Distribution, points_from_segments
from wtalkit.annotations.problems import Problem, Problems
from wtalkit.annotations.split import split_annotations
from wtalkit.annotations.subsets import dataset_of, resolve_subset

__all__ = [
    "Annotations",
    "Distribution",
    "Instance",
    "Point",
    "Problem",
    "Problems",
    "VideoAnnotation",
    "class_counts",
    "dataset_of",
    "load_annotations",
    "points_from_segments",
    "require_trainable",
    "resolve_subset",
    "split_annotations",
    "training_problems",
]
