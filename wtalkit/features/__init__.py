"""Features: one array per video, and a record of how it was made."""

from __future__ import annotations

from wtalkit.features.folder import FeatureFolder
from wtalkit.features.record import FeatureRecord
from wtalkit.features.spec import PRESETS, FeatureSpec, preset
from wtalkit.features.store import FeatureFile, feature_paths, read_features, read_record, write_features

__all__ = [
    "PRESETS",
    "FeatureFile",
    "FeatureFolder",
    "FeatureRecord",
    "FeatureSpec",
    "feature_paths",
    "preset",
    "read_features",
    "read_record",
    "write_features",
]
