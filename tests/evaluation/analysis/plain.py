"""The analysis once more, the slow and obvious way: one detection, one instance, one threshold at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

Rows = list[dict[str, Any]]


def made(
    seed: int, *, videos: int = 8, classes: int = 3, most: int = 5, unknown: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Random predictions and ground truth: near misses, repeats, wrong labels, videos with nothing in them."""
    random = np.random.default_rng(seed)
    database: dict[str, Any] = {}
    results: dict[str, Any] = {}
    for number in range(videos):
        annotations, found = [], []
        for _ in range(int(random.integers(0, most))):
            label, start, length = int(random.integers(classes)), random.uniform(0, 80), random.exponential(8) + 0.5
            annotations.append({"label": f"c{label}", "segment": [start, start + length]})
            for _ in range(int(random.integers(0, 4))):
                other = label if random.random() < 0.7 else int(random.integers(classes))
                first = start + random.normal() * length / 4
                found.append({"label": f"c{other}", "segment": [first, first + length * random.uniform(0.4, 1.5)]})
        for _ in range(int(random.integers(0, 4))):
            first = random.uniform(0, 90)
            found.append({"label": f"c{random.integers(classes)}", "segment": [first, first + random.uniform(1, 9)]})
        for each in found:
            each["score"] = float(random.random())
            each["segment"] = [max(0.0, each["segment"][0]), max(0.01, each["segment"][1])]
        database[f"v{number}"] = {"annotations": annotations}
        if not unknown or random.random() < 0.7:
            database[f"v{number}"]["duration"] = 400.0
        results[f"v{number}"] = found
    for label in range(classes):  # every class has something to be found
        database["v0"]["annotations"].append(
            {"label": f"c{label}", "segment": [100 + 10.0 * label, 104 + 10.0 * label]}
        )
    return {"results": results}, {"database": database}


def iou(one: list[float], other: list[float]) -> float:
    inter = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return inter / ((one[1] - one[0]) + (other[1] - other[0]) - inter)


class Plain:
    """Everything at one threshold."""

    def __init__(self, predictions: dict[str, Any], truth: dict[str, Any], threshold: float) -> None:
        self.threshold = threshold
        self.instances: Rows = [
            {"video": video, "duration": facts.get("duration"), "taken": False, **each}
            for video, facts in truth["database"].items()
            for each in facts["annotations"]
        ]
        self.labels = sorted({each["label"] for each in self.instances})
        self.found: Rows = [
            {"video": video, **each}
            for video, entries in predictions["results"].items()
            for each in entries
            if each["label"] in self.labels
        ]
        self.ranked = {
            label: sorted((each for each in self.found if each["label"] == label), key=lambda each: -each["score"])
            for label in self.labels
        }
        for ranked in self.ranked.values():
            for each in ranked:
                each["instance"] = self._take(each)
        self.typical = len(self.instances) / len(self.labels)

    def of(self, label: str) -> Rows:
        return [each for each in self.instances if each["label"] == label]

    def kind(self, each: dict[str, Any]) -> str:
        """What DETAD calls a detection."""
        if each["instance"] is not None:
            return "true positive"
        best, label = 0.0, None
        for instance in self.instances:
            overlap = iou(each["segment"], instance["segment"]) if instance["video"] == each["video"] else 0.0
            if overlap > best:
                best, label = overlap, instance["label"]
        if best >= self.threshold:
            return "double detection" if label == each["label"] else "wrong label"
        if best >= 0.1:
            return "localization" if label == each["label"] else "confusion"
        return "background"

    def map_n(self, ranked: dict[str, Rows], instances: Rows) -> float:
        values = []
        for label in self.labels:
            positives = sum(each["label"] == label for each in instances)
            if positives:
                hits = [each["instance"] is not None for each in ranked[label]]
                values.append(area(hits, positives, self.typical))
        return sum(values) / len(values)

    def slice(self, number: int) -> Rows:
        some: Rows = []
        for label, ranked in self.ranked.items():
            size = len(self.of(label))
            some += ranked[number * size : (number + 1) * size]
        return some

    def gain(self, kind: str) -> float:
        best = {label: ranked[: 10 * len(self.of(label))] for label, ranked in self.ranked.items()}
        without = {label: [each for each in ranked if self.kind(each) != kind] for label, ranked in best.items()}
        return self.map_n(without, self.instances) - self.map_n(best, self.instances)

    def map_n_of(self, some: Rows) -> float:
        """Of a bucket: detections that take an instance outside of it do not count at all."""
        kept = {
            label: [each for each in ranked if each["instance"] is None or each["instance"] in some]
            for label, ranked in self.ranked.items()
        }
        return self.map_n(kept, some)

    def missed(self, some: Rows) -> float:
        reached = []
        for label, ranked in self.ranked.items():
            hits = [each["instance"] is not None for each in ranked]
            for place, each in enumerate(ranked):
                if precision(hits, place, len(self.of(label)), self.typical) > 0.05 and each["instance"] is not None:
                    reached.append(id(each["instance"]))
        return sum(id(each) not in reached for each in some) / len(some)

    def recall(self, number: int) -> float:
        """Share of the instances that one of the first so many proposals of their video reaches."""
        reached = 0
        for instance in self.instances:
            there = [each for each in self.found if each["video"] == instance["video"]]
            first = sorted(there, key=lambda each: -each["score"])[:number]
            reached += any(iou(each["segment"], instance["segment"]) >= self.threshold for each in first)
        return reached / len(self.instances)

    def _take(self, each: dict[str, Any]) -> dict[str, Any] | None:
        there = [one for one in self.of(each["label"]) if one["video"] == each["video"] and not one["taken"]]
        best = max(there, key=lambda one: iou(each["segment"], one["segment"]), default=None)
        if best is None or iou(each["segment"], best["segment"]) < self.threshold:
            return None
        best["taken"] = True
        return best


def precision(hits: list[bool], place: int, positives: int, typical: float) -> float:
    true = sum(hits[: place + 1])
    weighted = true / positives * typical
    return weighted / (weighted + place + 1 - true) if place + 1 else 0.0


def area(hits: list[bool], positives: int, typical: float) -> float:
    """Under the envelope of normalised precision over recall."""
    total = 0.0
    for place, hit in enumerate(hits):
        if hit:
            total += max(precision(hits, later, positives, typical) for later in range(place, len(hits))) / positives
    return total
