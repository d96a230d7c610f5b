"""Detection without training, with weights made by a rule: the public ones are not to be had here."""

from __future__ import annotations

import dataclasses
import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

import wtalkit
from tests import mirror, toys
from wtalkit import zoo
from wtalkit.backbones import BACKBONES, InceptionI3D, load_backbone, preprocess_rgb
from wtalkit.backbones.clips import build
from wtalkit.cli import main
from wtalkit.content import git_blob_id
from wtalkit.detector import Detector, Show
from wtalkit.errors import ModelError, UsageError
from wtalkit.features import FeatureRecord, write_features
from wtalkit.inputs import Input
from wtalkit.project import Project
from wtalkit.zero_training import ZERO_TRAINING
from wtalkit.zero_training.settings import DISPLAY_THRESHOLD

CHANNELS = {"rgb": 3, "flow": 2}
NARROW = 0.0625
TENNIS, SKIING = "playing tennis", "skiing slalom"


def by_rule(stream: str, width: float = 1.0) -> dict[str, torch.Tensor]:
    """Weights by the rule of the parity fixtures, named as in the public files, which are older than some buffers."""
    found = {}
    for name, value in InceptionI3D(CHANNELS[stream], 400, width=width).state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        draw = np.random.Generator(np.random.PCG64(zlib.crc32(f"{stream}/{name}".encode())))
        shape = tuple(value.shape)
        if name.endswith("running_var"):
            array = 0.5 + draw.random(shape)
        elif name.endswith("bn.weight"):
            array = 0.8 + 0.4 * draw.random(shape)
        elif name.endswith("conv3d.weight"):
            array = draw.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))
        else:
            array = 0.1 * draw.standard_normal(shape)
        found[name] = torch.from_numpy(array.astype(np.float32))
    return found


def put_weights(folder: Path, width: float = NARROW, streams: tuple[str, ...] = ("rgb", "flow")) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for stream in streams:  # the public files are of torch's old format
        path = folder / f"{stream}_imagenet.pt"
        torch.save(by_rule(stream, width), path, _use_new_zipfile_serialization=False)


@pytest.fixture
def narrow(bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and I3D with few channels; the folder of its weights, which are not there."""
    spec = dataclasses.replace(BACKBONES["i3d"], width=NARROW, stream_dim=64)
    monkeypatch.setitem(BACKBONES, "i3d", spec)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return zoo.weights_folder("i3d")


@pytest.fixture
def weights(narrow: Path) -> Path:
    """The same with weights."""
    put_weights(narrow)
    return narrow


def detector(name: str = "i3d-kinetics400") -> Detector:
    return Detector(zoo.choose_model(name, Project.load()), offline=True)


def write_video_features(
    found: Detector, wanted: Mapping[str, tuple[int, int, float]], length: int = 60, noise: float = 0.3
) -> Input:
    """A feature file whose snippets have a logit for a class from one snippet to another, and noise."""
    weight, bias = found.featurizer.backbone.classifier()
    logits = np.random.default_rng(0).normal(0, noise, (length, len(bias)))
    for label, (start, stop, height) in wanted.items():
        logits[start:stop, found.classes.index(label)] += height
    # 128 numbers cannot say 400 logits: what the classifier makes of the nearest is what counts.
    array = (logits - bias.numpy()) @ np.linalg.pinv(weight.numpy()).T * 4
    frames = found.spec.timeline.stride * length
    record = FeatureRecord(spec=found.spec, video="v.mp4", duration_s=frames / found.spec.fps, frames=frames)
    return Input("v", write_features(Path("feats"), "v", array.astype(np.float32), record), "features")


def test_the_classes_are_those_of_kinetics_in_the_networks_order() -> None:
    from torchvision.models.video import MViT_V2_S_Weights, R3D_18_Weights

    names = zoo.kinetics_classes()
    assert list(names) == R3D_18_Weights.KINETICS400_V1.meta["categories"]
    assert list(names) == MViT_V2_S_Weights.KINETICS400_V1.meta["categories"]
    assert len(set(names)) == 400


def test_every_public_backbone_is_a_model() -> None:
    assert {name.removesuffix("-kinetics400") for name in ZERO_TRAINING} == {*BACKBONES, "i3d-rgb"} - {"i3d-mini"}
    assert ZERO_TRAINING["i3d-kinetics400"].flow == "tvl1"
    assert ZERO_TRAINING["slow_r50-kinetics400"].flow == "none"


def test_own_footage_gets_i3d_from_the_cache(weights: Path) -> None:
    choice = zoo.choose_model(None, Project.load(), footage=True)
    assert (choice.name, choice.reason, choice.is_demo) == ("i3d-kinetics400", "from the cache", False)
    assert zoo.choose_model(None, Project.load()).is_demo, "what looks at no video has no use for it"
    (weights / "flow_imagenet.pt").unlink()
    alone = zoo.choose_model(None, Project.load(), footage=True, offline=True)
    assert (alone.name, alone.zero_training) == ("i3d-rgb-kinetics400", ZERO_TRAINING["i3d-rgb-kinetics400"])
    assert "for flow, no I3D weights in the cache" in alone.reason


def test_flow_of_wtalkit_toml_holds_for_it(weights: Path) -> None:
    for flow, name in (("dis", "i3d-kinetics400"), ("none", "i3d-rgb-kinetics400")):
        Path("wtalkit.toml").write_text(f'flow = "{flow}"')
        choice = zoo.choose_model(None, Project.load(), footage=True)
        assert choice.zero_training is not None
        assert (choice.name, choice.zero_training.flow) == (name, flow)
        assert detector(choice.name).spec.flow == flow


def test_a_model_of_ones_own_comes_before_it(weights: Path) -> None:
    Path("wtalkit.toml").write_text('model = "samples"')
    assert zoo.choose_model(None, Project.load(), footage=True).name == "samples"


@pytest.mark.parametrize("offline", [True, False])
def test_without_weights_it_is_the_demo_and_says_why(narrow: Path, offline: bool) -> None:
    choice = zoo.choose_model(None, Project.load(), footage=True, offline=offline)
    assert (choice.name, choice.is_demo) == ("samples", True)
    assert ("no I3D weights in the cache, and they could not be fetched" in choice.reason) is not offline
    warning = Detector(choice).demo_warning
    assert warning is not None
    assert "run wtalkit models pull i3d" in warning


def test_it_is_fetched_on_first_use(narrow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_weights(tmp_path / "server")
    known, files = {}, {}
    for stream, file in zoo.PUBLIC_FILES["i3d"].items():
        path = tmp_path / "server" / file.name
        known[stream] = dataclasses.replace(file, blob_id=git_blob_id(path))
        files[f"/{file.repository}/{file.revision}/{file.path}"] = path.read_bytes()
    monkeypatch.setitem(zoo.PUBLIC_FILES, "i3d", known)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    told = []
    with mirror.serving(files) as server:
        monkeypatch.setenv("WTALKIT_MIRROR", server.base)
        assert zoo.choose_model(None, Project.load(), footage=True, offline=True).is_demo
        choice = zoo.choose_model(None, Project.load(), footage=True, progress=told.append)
    assert (choice.name, choice.reason) == ("i3d-kinetics400", "fetched into the cache")
    assert {state.path.name for state in told} == {"rgb_imagenet.pt", "flow_imagenet.pt"}
    assert zoo.choose_backbone(None, Project.load()) == zoo.BackboneChoice("i3d", "from the cache")


def test_a_server_that_does_not_answer_is_not_waited_for(narrow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from wtalkit.web import Patience

    assert zoo._AT_ONCE.connect_s <= 5 and zoo._AT_ONCE.tries == 1
    monkeypatch.setattr(zoo, "_AT_ONCE", Patience(0.3, 0.3, 1))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    file = zoo.PUBLIC_FILES["i3d"]["rgb"]
    with mirror.serving({f"/{file.repository}/{file.revision}/{file.path}": b"x"}) as server:
        server.answers.append(mirror.silent)
        monkeypatch.setenv("WTALKIT_MIRROR", server.base)
        started = time.monotonic()
        assert zoo.choose_model(None, Project.load(), footage=True).is_demo
    assert time.monotonic() - started < 5


def test_an_action_is_found_where_it_is(weights: Path) -> None:
    model = detector()
    item = write_video_features(model, {TENNIS: (10, 18, 12.0), SKIING: (40, 50, 12.0)})
    found = model.detect(item, Show())
    assert found.threshold == DISPLAY_THRESHOLD
    assert {segment.label for segment in found} == {TENNIS, SKIING}
    best = {segment.label: segment for segment in sorted(found, key=lambda segment: segment.score)}
    assert (best[TENNIS].start_s, best[TENNIS].end_s) == pytest.approx((10 * 0.64, 18 * 0.64))
    assert (best[SKIING].start_s, best[SKIING].end_s) == pytest.approx((40 * 0.64, 50 * 0.64))
    (warning,) = found.warnings
    assert warning.startswith("zero-training model: i3d's own classifier of 400 Kinetics actions never learnt")
    assert "not calibrated" in warning
    assert found.model["zero_training"] is True
    only = model.detect(item, model.checked(Show(classes=(SKIING,))))
    assert {segment.label for segment in only} == {SKIING}
    assert [s for s in found if s.label == SKIING] == list(only), "the others stay the background"


def test_a_label_that_is_sure_is_found_however_unlikely(weights: Path) -> None:
    model = detector()
    item = write_video_features(model, {TENNIS: (0, 60, 12.0), SKIING: (40, 50, 6.0)}, noise=0.03)
    assert SKIING not in {segment.label for segment in model.detect(item, Show())}
    found = model.detect(item, model.checked(Show(label=SKIING)))
    assert {segment.label for segment in found} == {SKIING}
    best = max(found, key=lambda segment: segment.score)
    assert (best.start_s, best.end_s) == pytest.approx((40 * 0.64, 50 * 0.64))
    assert found.threshold == pytest.approx(best.score / 2)
    assert all(segment.score >= best.score / 2 for segment in found)
    assert len(model.detect(item, Show(label=SKIING, threshold=2.0))) == 0
    assert len(model.detect(item, Show(label=SKIING, everything=True))) > len(found)


def test_a_label_without_any_contrast_is_the_whole_video(weights: Path) -> None:
    model = detector()
    frames = model.spec.timeline.stride * 5
    record = FeatureRecord(spec=model.spec, video="v.mp4", duration_s=frames / model.spec.fps, frames=frames)
    path = write_features(Path("feats"), "v", np.zeros((5, model.spec.dim), np.float32), record)
    (segment,) = model.detect(Input("v", path, "features"), Show(label=TENNIS))
    assert (segment.start_s, segment.end_s) == pytest.approx((0, 3.2))


def test_a_trained_model_takes_a_label_too(project: Path, features: Path) -> None:
    trained = Detector(zoo.choose_model(None, Project.load()))
    item = Input("a", features / "a.npy", "features")
    for label in toys.CLASSES:
        found = trained.detect(item, Show(label=label))
        assert {segment.label for segment in found} == {label}
        assert found.best_score is not None and found.threshold is not None and found.threshold <= found.best_score
    assert [s.label for s in wtalkit.detect(features / "a.npy", label="wave")][:1] == ["wave"]


def test_names_that_nobody_knows_are_not_answered_with_400_others(weights: Path) -> None:
    model = detector()
    with pytest.raises(UsageError) as caught:
        model.checked(Show(label="plying tennis"))
    assert "no class 'plying tennis'. Did you mean playing tennis" in str(caught.value)
    assert "wtalkit models info i3d-kinetics400 lists all 400" in str(caught.value)
    assert len(str(caught.value)) < 300
    with pytest.raises(UsageError, match="exclude each other"):
        model.checked(Show(label=TENNIS, classes=(TENNIS,)))


def test_the_curves_are_the_softmax_of_the_streams_average(weights: Path, tmp_path: Path) -> None:
    """From a video, against the plain networks on frames read here."""
    Path("wtalkit.toml").write_text('flow = "dis"')
    model = detector()
    model.keep_curves()
    video = Input("v", toys.write_video(tmp_path / "v.mp4", frames=50), "video")
    model.detect(video, Show())
    assert model.curves is not None
    curves = model.curves["v"]
    assert curves.attention is None
    assert curves.labels == zoo.kinetics_classes()
    np.testing.assert_allclose(curves.times_s, [0.32, 0.96, 1.6])
    features = torch.from_numpy(model.features(video).array)
    logits = []
    for stream, columns in zip(CHANNELS, features.chunk(2, dim=1), strict=True):
        state = by_rule(stream, NARROW)
        logits.append(columns @ state["logits.conv3d.weight"].flatten(1).T + state["logits.conv3d.bias"])
    expected = (torch.stack(logits).mean(dim=0)).softmax(dim=1)
    np.testing.assert_allclose(curves.activations, expected, atol=1e-5)
    model.close()


def test_a_fine_tuned_file_is_no_model_of_kinetics(narrow: Path) -> None:
    narrow.mkdir(parents=True)
    state = InceptionI3D(3, 157, width=NARROW).state_dict()
    torch.save(dict(state), narrow / "rgb_imagenet.pt")
    with pytest.raises(ModelError, match="157 classes apart, not the 400 of Kinetics-400"):
        detector("i3d-rgb-kinetics400")


def test_features_of_other_weights_are_refused(weights: Path) -> None:
    model = detector()
    item = write_video_features(model, {})
    put_weights(weights, streams=("rgb",))
    torch.save({name: value + 1 for name, value in by_rule("flow", NARROW).items()}, weights / "flow_imagenet.pt")
    with pytest.raises(wtalkit.errors.InputError, match="weights_hash"):
        detector().detect(item, Show())


def test_long_videos_take_several_windows(weights: Path) -> None:
    model = detector()
    item = write_video_features(model, {TENNIS: (700, 760, 12.0)}, length=800)
    found = model.detect(item, Show())
    best = max(found, key=lambda segment: segment.score)
    assert (best.label, best.start_s, best.end_s) == (TENNIS, pytest.approx(448), pytest.approx(486.4))


def test_the_commands(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video_features(detector(), {TENNIS: (10, 18, 12.0)})
    assert main(["detect", "feats", "--model", "i3d-kinetics400", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["results"]["v"][0]["label"] == TENNIS
    assert "zero-training" in document["external_data"]["videos"]["v"]["warnings"][0]
    assert main(["models", "info", "slow_r50-kinetics400"]) == 0
    assert "400: abseiling, air drumming" in capsys.readouterr().out
    assert main(["models", "info", "i3d-kinetics400", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"][0] == "abseiling"
    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out
    assert "not here: wtalkit models pull slow_r50" in listed
    assert "weights of x3d_m" in listed


@pytest.mark.slow
def test_the_public_width_at_the_public_size(bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RGB alone, as it comes from a video, against the plain network."""
    monkeypatch.chdir(tmp_path)
    put_weights(zoo.weights_folder("i3d"), 1.0, ("rgb",))
    model = detector("i3d-rgb-kinetics400")
    assert model.spec == load_backbone_spec()
    model.keep_curves()
    video = Input("v", toys.write_video(tmp_path / "v.mp4", frames=20), "video")
    model.detect(video, Show())
    from wtalkit.video import Decoder

    decoder = Decoder()
    with decoder.decode(video.path, 25.0, short_side=256) as decoding:
        frames = np.concatenate([chunk.images.copy() for chunk in decoding])[:16]
    decoder.close()
    plain = InceptionI3D(3, 400).eval()
    plain.load_state_dict(by_rule("rgb"), strict=False)
    with torch.inference_mode():
        expected = plain(preprocess_rgb(frames[None], BACKBONES["i3d"]))[0, :, 0].softmax(dim=0)
    assert model.curves is not None
    np.testing.assert_allclose(model.curves["v"].activations[0], expected, atol=1e-4)
    model.close()


def load_backbone_spec() -> object:
    from wtalkit.extraction import VideoFeaturizer

    return VideoFeaturizer(load_backbone("i3d", flow="none", offline=True), "none").spec


@pytest.mark.slow
def test_a_librarys_network_from_a_video(bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    file = BACKBONES["mc3_18"].weights
    assert file is not None
    folder = zoo.weights_folder("mc3_18")
    folder.mkdir(parents=True)
    torch.save(build(BACKBONES["mc3_18"]).state_dict(), folder / file.name)
    video = toys.write_video(tmp_path / "v.mp4", frames=50)
    found = wtalkit.detect(video, "mc3_18-kinetics400", label=TENNIS, offline=True, device="cpu")
    assert found.spec["streams"] == ["rgb"]
    assert (found.spec["resize"], found.spec["crop"], found.spec["fps"]) == (128, 112, 15.0)
    assert found.warnings[0].startswith("unrecognised weights")
    extracted = wtalkit.extract(video, tmp_path / "feats", backbone="mc3_18", offline=True, device="cpu")
    again = wtalkit.detect(tmp_path / "feats" / "v.npy", "mc3_18-kinetics400", label=TENNIS, offline=True)
    assert again.segments == found.segments
    assert extracted.spec.dim == 512
