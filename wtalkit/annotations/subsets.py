"""Which subset is trained on and which is scored, when nobody says."""

from __future__ import annotations

from typing import Literal

from wtalkit.annotations.model import Annotations
from wtalkit.errors import AnnotationsError

Role = Literal["train", "test"]
DATASET_SUBSETS: dict[str, dict[Role, str]] = {
    "thumos14": {"train": "validation", "test": "test"},
    "activitynet": {"train": "training", "test": "validation"},
}
_CANDIDATES: dict[Role, tuple[str, ...]] = {"train": ("training", "train"), "test": ("testing", "test", "validation")}


def dataset_of(annotations: Annotations) -> str | None:
    """``thumos14`` or ``activitynet`` when the file is recognisably one of the two, else None."""
    version = (annotations.version or "").upper()
    if "THUMOS" in version:
        return "thumos14"
    # "VERSION 1.2" and "VERSION 1.3" are what the published ActivityNet files say of themselves.
    return "activitynet" if version.startswith(("VERSION 1.", "ACTIVITYNET")) else None


def resolve_subset(
    role: Role, annotations: Annotations, *, configured: str | None = None, dataset: str | None = None
) -> str | None:
    """Name of the subset to train on or to test with; None means the whole file, which then names no subsets at all.

    Args:
        role: ``"train"`` or ``"test"``.
        annotations: the whole file.
        configured: what the command line or ``wtalkit.toml`` says; wins, and must exist.
        dataset: a dataset of :data:`DATASET_SUBSETS`; recognised from the file when None.

    Raises:
        AnnotationsError: the configured subset does not exist, or none of the usual names does.
    """
    if configured is not None:
        annotations.subset(configured)
        return configured
    present = {name.casefold(): name for name in annotations.subsets}
    if not present:
        return None
    dataset = dataset or dataset_of(annotations)
    family = next((rules for name, rules in DATASET_SUBSETS.items() if dataset and dataset.startswith(name)), None)
    if family is not None and family[role] in present:
        return present[family[role]]
    if role == "train" and "validation" in present and not present.keys() & set(_CANDIDATES["train"]):
        return present["validation"]  # THUMOS14 has no annotated training subset: its validation videos serve
    usable = [present[name] for name in _CANDIDATES[role] if name in present]
    if not usable:
        raise AnnotationsError(
            f"has no subset to {role} {'on' if role == 'train' else 'with'}: it has {', '.join(annotations.subsets)}",
            file=annotations.path,
            remedy=f"Name one with --subset, or {role}_subset in wtalkit.toml",
        )
    if role == "test":  # ActivityNet publishes its testing videos without annotations
        usable.sort(key=lambda name: not annotations.subset(name).has_segments)
    return usable[0]
