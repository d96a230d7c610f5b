from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import wtalkit
from tests import toys
from wtalkit.detection import Detector, Show, detect_many
from wtalkit.errors import InputError, ModelError, UsageError
from wtalkit.inputs import Failure, Input
from wtalkit.project import Project
from wtalkit.zoo import choose_model


@pytest.fixture
def detector(features: Path) -> Detector:
    return Detector(choose_model(None, Project.load()))


def test_one_call_finds_the_segments_of_a_video(project: Path) -> None:
    found = wtalkit.detect("videos/a.mp4")
    assert found.key == "a"
    assert found.status == "ok"
    assert found.duration_s == pytest.approx(toys.SECONDS, abs=0.04)
    assert len(found) > 0
    assert [segment.start_s for segment in found] == sorted(segment.start_s for segment in found)
    for segment in found:
        assert 0 <= segment.start_s < segment.end_s <= found.duration_s
        assert segment.label in toys.CLASSES
        assert segment.score >= found.threshold  # type: ignore[operator]


def test_a_video_and_its_extracted_features_give_the_same(project: Path) -> None:
    wtalkit.extract("videos/a.mp4", "feats", backbone="i3d-mini", flow="dis")
    from_video, from_features = wtalkit.detect("videos/a.mp4"), wtalkit.detect("feats/a.npy")
    assert from_video.segments == from_features.segments
    assert from_video.duration_s == from_features.duration_s
    assert from_video.spec == from_features.spec


def test_the_display_rule_leaves_no_overlap_within_a_class(detector: Detector, features: Path) -> None:
    found = detector.detect(Input("a", features / "a.npy", "features"), Show())
    everything = detector.detect(Input("a", features / "a.npy", "features"), Show(everything=True))
    assert len(found) < len(everything)
    for first in found:
        for second in found:
            if first is not second and first.label == second.label:
                overlap = min(first.end_s, second.end_s) - max(first.start_s, second.start_s)
                union = max(first.end_s, second.end_s) - min(first.start_s, second.start_s)
                assert overlap < 0.5 * union


def test_the_models_own_threshold_holds_unless_another_is_given(detector: Detector, features: Path) -> None:
    item = Input("a", features / "a.npy", "features")
    own = detector.detect(item, Show())
    assert own.threshold == detector.loaded.header.display_threshold == -1.0
    best = detector.detect(item, Show(threshold=own.best_score))
    assert [segment.score for segment in best] == [own.best_score]
    assert detector.detect(item, Show(threshold=99.0)).best_score == own.best_score


def test_a_class_the_model_does_not_know_is_refused(detector: Detector) -> None:
    with pytest.raises(UsageError, match=r"no class 'wav'\. Did you mean wave\?"):
        detector.checked(Show(classes=("wav",)))


def test_many_inputs_go_on_after_a_failure(detector: Detector, features: Path) -> None:
    inputs = [Input("a", features / "a.npy", "features"), Input("x", features / "x.npy", "features")]
    inputs.append(Input("b", features / "b.npy", "features"))
    first, second, third = detect_many(inputs, detector, Show())
    assert isinstance(second, Failure)
    assert "does not exist" in second.cause
    assert [getattr(each, "key", None) for each in (first, third)] == ["a", "b"]


def test_features_of_another_kind_say_what_differs(detector: Detector, features: Path, bundled: Path) -> None:
    path = toys.write_random_features(features, "other", bundled, flow="tvl1", flow_version="9")
    with pytest.raises(InputError, match="flow dis and tvl1"):
        detector.detect(Input("other", path, "features"), Show())


def test_an_array_without_a_record_needs_a_spec(bundled: Path, tmp_path: Path) -> None:
    path = tmp_path / "bare.npy"
    np.save(path, np.zeros((5, 512), np.float32))
    with pytest.raises(InputError, match=r"bare\.json beside it, or name --assume-spec"):
        wtalkit.detect(path)


def test_a_model_of_other_features_than_can_be_made_here(project: Path, bundled: Path, tmp_path: Path) -> None:
    from wtalkit.modelfile import load_model, save_model

    loaded = load_model(bundled / "samples" / "model.safetensors")
    spec = {**(loaded.header.feature_spec or {}), "weights_hash": "0" * 16}
    other = tmp_path / "other.safetensors"
    save_model(other, loaded.model, loaded.header.model_copy(update={"feature_spec": spec}))
    with pytest.raises(ModelError, match="weights_hash 0000000000000000 and"):
        wtalkit.detect("videos/a.mp4", other)


def test_a_model_without_a_spec_is_refused(bundled: Path, project: Path, tmp_path: Path) -> None:
    from wtalkit.modelfile import load_model, save_model

    loaded = load_model(bundled / "samples" / "model.safetensors")
    other = tmp_path / "other.safetensors"
    save_model(other, loaded.model, loaded.header.model_copy(update={"feature_spec": None}))
    with pytest.raises(ModelError, match="does not say which features"):
        wtalkit.detect("videos/a.mp4", other)


def test_a_folder_is_not_one_video(project: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        wtalkit.detect("videos")


def test_a_video_in_an_odd_place(project: Path) -> None:
    path = Path("a folder", 'it\'s\na "name".mp4')
    path.parent.mkdir()
    shutil.copy("videos/a.mp4", path)
    assert wtalkit.detect(path).key == 'it\'s\na "name"'


def test_the_package_exports_what_it_says() -> None:
    for name in wtalkit.__all__:
        assert getattr(wtalkit, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        wtalkit.nothing_of_this_name  # noqa: B018


def test_curves_are_kept_when_asked_for(detector: Detector, features: Path) -> None:
    item = Input("a", features / "a.npy", "features")
    before = detector.detect(item, Show())
    assert detector.curves is None
    detector.keep_curves()
    assert detector.detect(item, Show()).segments == before.segments
    assert detector.curves is not None
    curves = detector.curves["a"]
    snippets = len(np.load(features / "a.npy"))
    assert curves.labels == toys.CLASSES
    assert curves.activations.shape == (snippets, len(toys.CLASSES))
    assert curves.attention is not None
    assert curves.attention.shape == curves.times_s.shape == (snippets,)
    assert 0 < curves.times_s[0] < curves.times_s[-1] < toys.SECONDS
    assert np.allclose(np.diff(curves.times_s), curves.times_s[1] - curves.times_s[0])
