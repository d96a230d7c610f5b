"""A project in miniature: random weights, a random localizer, three videos of three seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

CLASSES = ("bow", "squat", "wave")
SECONDS = 3
REPOSITORY = Path(__file__).resolve().parent.parent


def write_video(path: Path, frames: int = 25 * SECONDS, *, fps: int = 25, audio_only: bool = False) -> Path:
    """A bright block that swings to and fro, 64x48, H.264; or a second of silence."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        if audio_only:
            sound = container.add_stream("aac", rate=8000, layout="mono")
            for _ in range(8):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                silence.sample_rate = 8000
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
            return path
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            image = np.full((48, 64, 3), 40, np.uint8)
            left = int(22 + 20 * np.sin(index / 6))
            image[16:32, left : left + 16] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_models(folder: Path) -> Path:
    """What ``models/`` holds: weights of i3d-mini, the localizer ``samples`` on DIS flow, the recipes."""
    import torch
    from safetensors.torch import save_file

    from wtalkit.backbones import BACKBONES, InceptionI3D, load_backbone
    from wtalkit.extraction import VideoFeaturizer
    from wtalkit.methods import create
    from wtalkit.modelfile import ModelHeader, save_model

    torch.manual_seed(0)
    weights = folder / "i3d-mini"
    weights.mkdir(parents=True)
    for stream, channels in (("rgb", 3), ("flow", 2)):
        network = InceptionI3D(channels, 5, width=BACKBONES["i3d-mini"].width)
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(state, weights / f"{stream}.safetensors")
    spec = VideoFeaturizer(load_backbone("i3d-mini", flow="dis", weights=weights), "dis").spec
    model = create("acrnet", num_classes=len(CLASSES), feature_dim=spec.dim, hidden=16)
    header = ModelHeader.of(model, CLASSES, feature_spec=spec.to_dict(), display_threshold=-1.0)
    (folder / "samples").mkdir()
    save_model(folder / "samples" / "model.safetensors", model, header)
    shutil.copytree(REPOSITORY / "models" / "recipes", folder / "recipes")
    return folder


def write_project(folder: Path, videos: Path) -> Path:
    """``wtalkit.toml``, annotations, and videos a (training), b (training) and c (testing)."""
    shutil.copytree(videos, folder / "videos")
    (folder / "wtalkit.toml").write_text('backbone = "i3d-mini"\nflow = "dis"\nmodel = "samples"\n')
    database = {
        key: {
            "subset": subset,
            "duration": SECONDS,
            "annotations": [{"label": label, "segment": [0.5, 1.5]} for label in labels],
        }
        for key, subset, labels in (
            ("a", "training", ("bow", "squat")),
            ("b", "training", ("wave",)),
            ("c", "testing", CLASSES),
        )
    }
    (folder / "annotations.json").write_text(json.dumps({"version": "toy", "database": database}))
    return folder


def write_random_features(folder: Path, key: str, models: Path, *, seed: int = 0, **changes: object) -> Path:
    """Features of the kind the toy model wants, of a video of :data:`SECONDS`; ``changes`` to their spec."""
    from wtalkit.features import FeatureRecord, FeatureSpec, write_features
    from wtalkit.modelfile import read_header

    spec = FeatureSpec.from_dict(
        {**(read_header(models / "samples" / "model.safetensors").feature_spec or {}), **changes}
    )
    frames = spec.timeline.frame_count(SECONDS)
    array = np.random.default_rng(seed).random((spec.timeline.snippet_count(frames), spec.dim), np.float32)
    record = FeatureRecord(spec=spec, video=f"{key}.mp4", duration_s=SECONDS, frames=frames)
    return write_features(folder, key, array, record)
