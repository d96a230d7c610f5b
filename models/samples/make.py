"""Make the bundled localizer: CLASNet on ACRNet, trained on the sample project's training videos from their labels.

    python models/samples/make.py

needs ``samples/feats`` (``cd samples && wtalkit extract videos/ --out feats/``). Writes ``model.safetensors`` beside
this file. Test videos are neither read nor scored here.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(REPOSITORY))

from wtalkit.training import train  # noqa: E402

METHOD, RECIPE, SEED = "clasnet", "samples", 0


def main() -> None:
    def progress(step: int, steps: int, losses: dict[str, float]) -> None:
        if step % 100 == 0 or step == steps:
            terms = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
            print(f"{step}/{steps}  {terms}", file=sys.stderr)

    os.chdir(REPOSITORY)  # the model's header names the data by paths of the repository
    samples = Path("samples")
    with tempfile.TemporaryDirectory() as folder:
        run = train(
            METHOD,
            features=samples / "feats",
            annotations=samples / "annotations.json",
            subset="training",
            recipe=RECIPE,
            seed=SEED,
            out=folder,
            stamp="bundled",
            command="python models/samples/make.py",
            progress=progress,
            announce=lambda text: print(text, file=sys.stderr),
        )
        shutil.copyfile(run.model, HERE / "model.safetensors")
    print(f"{HERE / 'model.safetensors'}. Next: wtalkit detect samples/match.mp4 --model samples")


if __name__ == "__main__":
    main()
