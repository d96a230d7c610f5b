"""``wtalkit.train``: what it learns, from what, and what it leaves behind."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training.conftest import CLASSES, SPEC, Project
from tests.training.test_loop import interrupt_at
from wtalkit import runs
from wtalkit.annotations import load_annotations
from wtalkit.errors import AnnotationsError, ConfigError, FeaturesError, ModelError
from wtalkit.evaluation import mean_average_precision
from wtalkit.features import FeatureFolder
from wtalkit.localization import DecoderSettings, decode
from wtalkit.methods.windows import Activations, run_windows
from wtalkit.modelfile import LoadedModel, load_model
from wtalkit.runs import Run

Tensors = dict[str, torch.Tensor]


def weights(run: Run) -> Tensors:
    return load_file(run.model)


def assert_identical(mine: Tensors, theirs: Tensors) -> None:
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []


def activations(loaded: LoadedModel, project: Project, key: str) -> Activations:
    array = FeatureFolder(project.features).read(key).array
    return run_windows(loaded.model, array, SPEC.timeline, max_length=loaded.header.max_length)


@pytest.mark.parametrize("method", ["acrnet", "clasnet"])
def test_segments_are_never_seen(project: Project, method: str) -> None:
    full = project.train(method)
    annotations = load_annotations(project.annotations)
    assert annotations.has_segments
    labels_only = {key: replace(video, segments=()) for key, video in annotations.videos.items()}
    stripped = replace(annotations, videos=labels_only).to_activitynet()
    assert all(not entry["annotations"] for entry in stripped["database"].values())
    project.annotations.write_text(json.dumps(stripped))
    weak = project.train(method)
    assert_identical(weights(full), weights(weak))
    assert load_model(full.model).header.display_threshold == load_model(weak.model).header.display_threshold


def test_other_labels_give_other_weights(project: Project) -> None:
    before = weights(project.train())
    document = json.loads(project.annotations.read_text())
    document["database"]["video 00"]["annotations"] = [{"label": "wave"}]
    project.annotations.write_text(json.dumps(document))
    after = weights(project.train())
    assert not all(torch.equal(before[name], after[name]) for name in before)


def test_a_seed_decides_everything(project: Project) -> None:
    state = torch.get_rng_state()
    first, again, other = project.train(seed=3), project.train(seed=3), project.train(seed=4)
    assert_identical(weights(first), weights(again))
    assert first.metrics.read_text() == again.metrics.read_text()
    assert not torch.equal(
        weights(first)["base.cas_rgb_encoder.0.weight"], weights(other)["base.cas_rgb_encoder.0.weight"]
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("method", ["acrnet", "clasnet"])
def test_what_and_when_are_learnt(make_project: Callable[..., Project], method: str) -> None:
    project = make_project("larger", train=24, test=12)
    changes = {"steps": 150, "batch_size": 12, "lr": 2e-3, "log_every": 50, "checkpoint_every": 1000}
    loaded = load_model(project.train(method, overrides=changes).model)
    test = load_annotations(project.annotations).subset("testing")
    predictions: dict[str, list[dict[str, object]]] = {}
    chance: dict[str, list[dict[str, object]]] = {}
    right = []
    for key, video in test.videos.items():
        found = activations(loaded, project, key)
        best = CLASSES[int(found.video_scores.argmax())]
        right.append(best in video.labels)
        segments = decode(
            found.act_scores,
            found.attn,
            found.video_scores,
            classes=loaded.header.classes,
            timeline=SPEC.timeline,
            duration_s=video.duration_s or 0.0,
            settings=DecoderSettings.from_dict(loaded.header.decoder),
            plugin_attn=found.plugin_attn,
        )
        predictions[key] = [{"label": s.label, "score": s.score, "segment": [s.start_s, s.end_s]} for s in segments]
        chance[key] = [{"label": label, "score": 1.0, "segment": [0.0, video.duration_s]} for label in video.labels]
    assert np.mean(right) >= 0.9
    truth = test.to_activitynet()
    scored = mean_average_precision({"results": predictions}, truth, [0.3, 0.5])
    whole_video = mean_average_precision({"results": chance}, truth, [0.3, 0.5])
    # Naming the right classes without finding them in time is worth nothing here.
    assert scored["map"]["0.30"] > whole_video["map"]["0.30"] + 0.3
    assert scored["map"]["0.50"] > whole_video["map"]["0.50"] + 0.3


def test_the_model_says_where_it_comes_from(project: Project) -> None:
    run = project.train("clasnet", without=["brm"], seed=7, stamp="20260131T235959Z", command="wtalkit train ...")
    assert run.name == "20260131T235959Z-clasnet"
    header = load_model(run.model).header
    assert (header.method, header.plugins, header.without) == ("acrnet", ("clasnet",), ("brm",))
    assert header.classes == CLASSES
    assert header.feature_spec == SPEC.to_dict()
    assert header.max_length == 512
    assert header.display_threshold is not None
    facts = header.provenance
    assert (facts["seed"], facts["recipe"], facts["training_videos"]) == (7, "samples", 9)
    assert (facts["stamp"], facts["command"], facts["subset"]) == ("20260131T235959Z", "wtalkit train ...", "training")


def test_the_config_is_a_recipe(project: Project) -> None:
    run = project.train("clasnet", overrides={"clasnet.n_dilated": 2, "decoder.gamma": 0.3})
    config = tomllib.loads(run.config.read_text())
    assert config["steps"] == 12
    assert config["clasnet"]["n_dilated"] == 2
    assert config["clasnet"]["temperature"] == 0.07
    assert config["decoder"]["gamma"] == 0.3
    assert config["run"]["recipe"] == "samples"
    again = project.train("clasnet", recipe=str(run.config), overrides={})
    assert_identical(weights(run), weights(again))


def test_the_recipe_taken_is_said(project: Project) -> None:
    said: list[str] = []
    project.train(announce=said.append)
    assert said[0] == "recipe samples, the one for i3d-mini features"
    assert "9 training videos, 3 classes, labels only" in said
    assert any(sentence.startswith("display threshold ") for sentence in said)


@pytest.mark.parametrize(
    ("version", "recipe"),
    [
        ("VERSION 1.3", "activitynet1.3, the one for activitynet1.3 and i3d features"),
        ("Version 1.2", "activitynet1.2, the one for activitynet1.2 and i3d features"),
        ("test", "thumos14, the one for i3d features"),
    ],
)
def test_activitynet_has_recipes_of_its_own(project: Project, version: str, recipe: str) -> None:
    for record in project.features.glob("*.json"):
        record.write_text(record.read_text().replace('"i3d-mini"', '"i3d"'))
    labels = json.loads(project.annotations.read_text())
    project.annotations.write_text(json.dumps({**labels, "version": version}))
    said: list[str] = []
    run = project.train(announce=said.append, overrides={"steps": 1, "batch_size": 2})
    assert said[0] == f"recipe {recipe}"
    assert tomllib.loads(run.config.read_text())["run"]["recipe"] == recipe.split(",")[0]


def test_feature_rms_is_measured_and_kept(project: Project) -> None:
    loaded = load_model(project.train(overrides={"feature_rms": 1.0}).model)
    folder = FeatureFolder(project.features)
    everything = np.concatenate([folder.read(f"video {index:02}").array for index in range(9)])
    assert float(loaded.model.feature_scale) == pytest.approx(1 / np.sqrt(np.square(everything).mean()), rel=1e-5)


@pytest.mark.parametrize(
    ("method", "arguments", "error", "message"),
    [
        ("clasnett", {}, ModelError, "Did you mean clasnet"),
        ("lac", {"overrides": {"steps": 1}}, AnnotationsError, "wtalkit annotations points"),
        ("acrnet", {"base": "co2net"}, ModelError, "takes no other base"),
        ("acrnet", {"without": ["bwaa"]}, ModelError, "bwa"),
        ("acrnet", {"recipe": "sample"}, ConfigError, "samples, thumos14"),
        ("acrnet", {"overrides": {"step": 3}}, ConfigError, "did you mean 'steps'"),
        ("acrnet", {"overrides": {"acrnet.head": 3}}, ConfigError, "heads"),
        ("acrnet", {"overrides": {"decoder.gama": 3}}, ConfigError, "gamma"),
        ("acrnet", {"device": "gpu"}, ConfigError, "unknown device"),
    ],
)
def test_mistakes_start_nothing(
    project: Project, method: str, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        project.train(method, **arguments)
    assert not project.runs.exists()


def test_a_sum_over_time_means_the_trainings_length(project: Project) -> None:
    table = tomllib.loads(project.train("tssam", overrides={"length": 24}).config.read_text())
    assert table["tssam"]["guide_length"] == table["length"] == 24
    given = tomllib.loads(project.train("tssam", overrides={"length": 24, "tssam.guide_length": 7}).config.read_text())
    assert given["tssam"]["guide_length"] == 7


def test_only_a_training_on_the_same_data_joins_a_study(project: Project) -> None:
    """Of a finished member the model knows the data, of a stopped one the resume state."""
    with pytest.raises(KeyboardInterrupt):
        project.train(study="s", progress=interrupt_at(6))
    stopped = runs.all_runs(project.runs)[0].folder
    labels = json.loads(project.annotations.read_text())
    del labels["database"]["video 00"]
    fewer = project.folder / "fewer.json"
    fewer.write_text(json.dumps(labels))
    for _ in range(2):
        with pytest.raises(FeaturesError, match=f"{stopped.name}: was trained on other features or labels"):
            project.train(study="s", seed=1, annotations=fewer)
        for changed in ({"subset": "testing"}, {"without": ["mca"]}):
            with pytest.raises(ConfigError, match=f"was started with other values of .*{next(iter(changed))}"):
                project.train(study="s", seed=1, **changed)
        project.train(resume=stopped)
    assert len(runs.all_runs(project.runs)) == 1
    copied = shutil.copytree(project.features, project.folder / "copied")  # the same data from elsewhere
    assert project.train(study="s", seed=1, features=copied).finished
    assert project.train(study="another", seed=1, annotations=fewer).finished
