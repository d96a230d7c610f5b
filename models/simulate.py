"""Turn the simulated THUMOS14 features into a project folder that every command accepts.

    python models/simulate.py --simulator simulate_features.py --ground-truth thumos14.json --out cache/thumos14-sim

Runs the simulator (128 channels a stream, difficulty 0.5, seed 0: the setting the official codes were measured in),
puts a record beside every array, and writes annotations and ``wtalkit.toml``. The annotations are the real ones of
THUMOS14; the features are drawn at random around them, see the simulator's own description.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from wtalkit.features import FeatureRecord, FeatureSpec, write_features

SPEC = FeatureSpec(
    fps=25, window=16, stride=16, streams=("rgb", "flow"), dim=256, backbone="simulated", flow="simulated"
)
PROJECT = """# Simulated features on THUMOS14's annotations.
annotations = "annotations.json"
features = "feats"
train_subset = "validation"
test_subset = "test"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulator", type=Path, required=True)
    parser.add_argument("--ground-truth", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    truth = json.loads(options.ground_truth.read_text())
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, str(options.simulator), "--gt", str(options.ground_truth), "--out", scratch]
        subprocess.run([*command, "--dim", str(SPEC.dim // 2), "--difficulty", "0.5", "--seed", "0"], check=True)
        for path in sorted(Path(scratch).glob("*.npy")):
            video = truth["database"][path.stem]
            array = np.load(path, allow_pickle=False)
            frames = len(array) * SPEC.window  # the simulator drops the tail, too
            record = FeatureRecord(spec=SPEC, video=path.stem, duration_s=video["duration"], frames=frames)
            write_features(options.out / "feats", path.stem, array, record)
    shutil.copy(options.ground_truth, options.out / "annotations.json")
    (options.out / "wtalkit.toml").write_text(PROJECT)


if __name__ == "__main__":
    main()
