"""Which preset a pack lands in, by its layout, its data set and the width of its arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from wtalkit.errors import ConfigError
from wtalkit.features.spec import PRESETS, FeatureSpec, preset
from wtalkit.importing.pack import LayoutName

_NAMED: dict[tuple[LayoutName, str], tuple[str, ...]] = {
    ("wtalc", "thumos14"): ("thumos14-wtalc-25fps-s16",),
    ("pmil", "thumos14"): ("thumos14-wtalc-25fps-s16",),
    ("wtalc", "activitynet1.2"): ("activitynet1.2-wtalc-25fps-s16",),
    ("pmil", "activitynet1.2"): ("activitynet1.2-wtalc-25fps-s16",),
    ("cola", "thumos14"): ("thumos14-cola-25fps-s16",),
    ("cola", "activitynet1.2"): ("activitynet1.2-cola-25fps-s16",),
    ("acmnet", "thumos14"): ("thumos14-acmnet-25fps-s16",),
    ("acmnet", "activitynet1.3"): ("activitynet1.3-acmnet-25fps-s16",),
    ("actionformer", "thumos14"): ("thumos14-actionformer-30fps-s4",),
    ("actionformer", "activitynet1.3"): (
        "activitynet1.3-actionformer-25fps-s16", "activitynet1.3-actionformer-tsp-15fps-s16",
    ),
}  # fmt: skip
_OTHERS: dict[LayoutName, str] = dict.fromkeys(("wtalc", "pmil", "cola", "acmnet", "hdf5"), "i3d-25fps-s16")
"""Of packs of one's own in these layouts, whose codes all take 25 fps and 16 frames; an HDF5 file may be anybody's."""

OWN_RATE = frozenset(("thumos14-actionformer-30fps-s4",))
"""Made at each video's own frame rate: rows of a video of another one are placed on the preset's clock."""


def preset_of(
    layout: LayoutName, dataset: str | None, widths: Iterable[int], given: str | None, file: Path
) -> tuple[str, FeatureSpec]:
    """Name and spec of the preset of a pack.

    Args:
        layout: of the pack.
        dataset: built-in data set that it is of.
        widths: of its arrays; the commonest counts.
        given: the preset asked for.
        file: the pack, for errors.

    Raises:
        ConfigError: there is no such preset, or none is known for such a pack, or it is of another width.
    """
    common = Counter(widths).most_common(1)
    width = common[0][0] if common else None
    if given is not None:
        spec = preset(given)
        if width is not None and width != spec.dim:
            raise ConfigError(f"holds arrays (T, {width}), and {given} is of (T, {spec.dim})", file=file)
        return given, spec
    usual = (_OTHERS[layout],) if layout in _OTHERS else ()
    candidates = (_NAMED.get((layout, dataset)) if dataset is not None else None) or usual
    for name in candidates:
        if width is None or PRESETS[name].dim == width:
            return name, PRESETS[name]
    of_dataset = f" of {dataset}" if dataset is not None else ""
    fitting = sorted(name for name, spec in PRESETS.items() if spec.dim == width)
    raise ConfigError(
        f"holds arrays (T, {width}){of_dataset}, and how such {layout} packs were made is not known", file=file,
        remedy=f"Name it with --preset{': ' + ', '.join(fitting) if fitting else ''}",
    )  # fmt: skip
