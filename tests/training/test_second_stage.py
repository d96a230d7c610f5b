"""Training a method on proposals: from a base trained first, from a model, from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.conftest import CLASSES, Project
from tests.training.test_loop import interrupt_at
from wtalkit import runs
from wtalkit.detector import Detector
from wtalkit.errors import ConfigError, ModelError, ProposalsError, UsageError
from wtalkit.evaluation import to_document
from wtalkit.features import FeatureFolder
from wtalkit.modelfile import load_model, read_header
from wtalkit.proposals import attribution, load_proposals
from wtalkit.runs import Run, newest
from wtalkit.scoring import evaluate
from wtalkit.training.seeds import study_to_resume
from wtalkit.zoo import Choice

FIRST = {"proposer.steps": 12, "proposer.batch_size": 4, "proposer.length": 30, "proposer.log_every": 3}
SECOND = {"steps": 8, "batch_size": 3, "length": 20, "log_every": 2, "checkpoint_every": 3}


def on_proposals(project: Project, method: str = "seal", **arguments: Any) -> Run:
    """Train on ACRNet's proposals unless told otherwise; a few steps of each."""
    given = {"proposals", "proposer"} & arguments.keys()
    own = SECOND if given else {**SECOND, **FIRST, "acrnet.heads": 2}
    base = {} if given else {"base": "acrnet"}
    return project.train(method, **{**base, **arguments, "overrides": {**own, **arguments.get("overrides", {})}})


def detector(run: Run, **arguments: Any) -> Detector:
    return Detector(Choice(run.model, run.name, "test"), **arguments)


def candidates(run: Run, project: Project, key: str, **arguments: Any) -> list[Any]:
    return detector(run, **arguments).candidates(FeatureFolder(project.features).read(key), key)


def raw_file(run: Run, project: Project, path: Path) -> Path:
    """What ``detect --raw-proposals`` writes of all features."""
    maker = detector(run)
    folder = FeatureFolder(project.features)
    maker.raw = {key: maker.raw_proposals(folder.read(key)) for key in folder.keys}
    maker.write_raw_proposals(path)
    return path


@pytest.mark.parametrize("method", ["pmil", "seal"])
def test_the_base_is_trained_first_in_the_same_folder(project: Project, method: str) -> None:
    said: list[str] = []
    stages: list[str] = []
    run = on_proposals(project, method, announce=said.append, stage=stages.append)
    assert stages == ["acrnet, to make proposals", method]
    first = Run(run.folder / "proposer")
    assert any(f"acrnet is trained first, in {first.folder}" in sentence for sentence in said)
    assert any("proposals in 9 training videos, made by acrnet (video-level labels)" in sentence for sentence in said)
    assert read_header(first.model).method == "acrnet"
    assert "step" in first.metrics.read_text()
    newest_run = newest(project.runs)
    assert newest_run is not None and newest_run.name == run.name


@pytest.mark.parametrize("method", ["pmil", "seal"])
def test_one_file_runs_both_stages(project: Project, method: str) -> None:
    run = on_proposals(project, method)
    loaded = load_model(run.model)
    assert loaded.proposer is not None
    assert loaded.header.classes == CLASSES
    assert (loaded.header.method, loaded.proposer.header.method) == (method, "acrnet")
    inner = load_model(run.folder / "proposer" / "model.safetensors")
    for name, value in inner.model.state_dict().items():
        assert torch.equal(loaded.proposer.model.state_dict()[name], value)
    alone = project.folder / "elsewhere.safetensors"
    run.model.rename(alone)
    (run.folder / "proposer" / "model.safetensors").unlink()
    moved = Detector(Choice(alone, "elsewhere", "test"))
    found = moved.candidates(FeatureFolder(project.features).read("video 12"), "video 12")
    assert found and all(0 <= each.start_s < each.end_s for each in found)


def test_every_answer_names_the_proposer_and_its_labels(project: Project) -> None:
    run = on_proposals(project)
    assert str(read_header(run.model).proposals) == "acrnet (video-level labels)"
    assert read_header(run.model).supervision == "video-level"
    facts = detector(run).model_facts
    assert facts["supervision"] == "video-level"
    assert facts["proposer"] == {
        "method": "acrnet", "plugins": [], "without": [], "supervision": "video-level", "source": "trained",
    }  # fmt: skip
    scored = evaluate(model=run.model, features=project.features, ground_truth=project.annotations)
    assert scored["model"]["proposer"]["method"] == "acrnet"
    document = to_document({"video 09": []}, {"model": facts})
    rescored = evaluate(document, ground_truth=project.annotations, subset="testing")
    assert rescored["model"]["proposer"] == facts["proposer"]


def test_a_model_that_is_there_makes_the_proposals(project: Project) -> None:
    proposer = project.train("acrnet", overrides={"acrnet.heads": 2})
    both = on_proposals(project)
    given = on_proposals(project, proposer=str(proposer.model))
    assert not (given.folder / "proposer").exists()
    header = read_header(given.model)
    assert header.proposals is not None and header.proposer is not None
    assert header.proposals.source == "model"
    assert header.proposals.path == str(proposer.model)
    # The same proposer, trained in the run or before it, makes the same model.
    own = {name: value for name, value in load_file(given.model).items() if not name.startswith("proposer.")}
    for name, value in load_file(both.model).items():
        if name in own:
            assert torch.equal(value, own[name]), name


def test_a_file_of_proposals(project: Project, tmp_path: Path) -> None:
    proposer = project.train("acrnet", overrides={"acrnet.heads": 2})
    path = raw_file(proposer, project, tmp_path / "p.json")
    said: list[str] = []
    from_file = on_proposals(project, proposals=path, announce=said.append)
    assert any(f"{proposer.model}, which goes into the model, too" in sentence for sentence in said)
    from_model = on_proposals(project, proposer=str(proposer.model))
    mine, theirs = load_file(from_file.model), load_file(from_model.model)
    assert [name for name in theirs if not torch.equal(mine[name], theirs[name])] == []
    assert candidates(from_file, project, "video 12") == candidates(from_model, project, "video 12")


def test_a_file_whose_maker_is_gone(project: Project, tmp_path: Path) -> None:
    proposer = project.train("acrnet", overrides={"acrnet.heads": 2})
    path = raw_file(proposer, project, tmp_path / "p.json")
    whole = candidates(on_proposals(project, proposals=path), project, "video 12")
    proposer.model.unlink()
    said: list[str] = []
    run = on_proposals(project, proposals=path, announce=said.append)
    assert any("detect and evaluate will need --proposals" in sentence for sentence in said)
    assert load_model(run.model).proposer is None
    # The file it was trained on is still there and names every video.
    assert candidates(run, project, "video 12") == whole
    content = path.read_text()
    path.write_text(content.replace("wtalkit proposals 1", "others"))
    with pytest.raises(ModelError, match=r"p\.json, which now holds others\. Name the file that is meant"):
        detector(run)
    path.write_text(content)
    with pytest.raises(ModelError, match=r"judges proposals of .* and makes none"):
        detector(run).keep_raw_proposals()
    other = path.rename(tmp_path / "moved.json")
    with pytest.raises(ModelError, match="holds no model that makes them"):
        detector(run)
    assert candidates(run, project, "video 12", proposals=other) == whole


def test_supervision_is_the_strongest_of_both_stages(project: Project, tmp_path: Path) -> None:
    proposer = project.train("acrnet", overrides={"acrnet.heads": 2})
    path = raw_file(proposer, project, tmp_path / "p.json")
    document = json.loads(path.read_text())
    document["external_data"]["proposer"]["supervision"] = "point-level"
    pointed = tmp_path / "pointed.json"
    pointed.write_text(json.dumps(document))
    run = on_proposals(project, proposals=pointed)
    assert read_header(run.model).supervision == "point-level"
    assert load_proposals(path).proposer.supervision == "video-level"
    # A model that saw video-level labels only, given proposals that did not.
    weak = on_proposals(project, proposals=path)
    mixed = detector(weak, proposals=pointed)
    assert detector(weak).supervision == "video-level"
    assert mixed.supervision == "point-level"
    assert any("these are of acrnet (point-level labels)" in warning for warning in mixed.warnings)
    # And the other way round: what it was trained on still counts.
    back = detector(run, proposals=path)
    assert attribution(back.model_facts) == (
        "seal on proposals of acrnet (video-level labels), point-level labels in all"
    )


def test_training_videos_without_proposals(project: Project, tmp_path: Path) -> None:
    proposer = project.train("acrnet", overrides={"acrnet.heads": 2})
    path = raw_file(proposer, project, tmp_path / "p.json")
    document = json.loads(path.read_text())
    del document["results"]["video 03"]
    document["results"]["video 04"] = []
    path.write_text(json.dumps(document))
    said: list[str] = []
    on_proposals(project, proposals=path, announce=said.append)
    assert "1 training videos have no proposals and teach nothing: video 03" in said
    document["results"] = {"somebody else's": document["results"]["video 05"]}
    path.write_text(json.dumps(document))
    with pytest.raises(ProposalsError, match="of none of the 9 training videos"):
        on_proposals(project, proposals=path)
    document["results"] = {f"video {index:02}": [] for index in range(9)}
    path.write_text(json.dumps(document))
    with pytest.raises(ProposalsError, match="there is not one proposal"):
        on_proposals(project, proposals=path)


def test_a_test_video_without_proposals_counts(project: Project, tmp_path: Path) -> None:
    proposer = project.train("acrnet", overrides={"acrnet.heads": 2})
    path = raw_file(proposer, project, tmp_path / "p.json")
    run = on_proposals(project, proposer=str(proposer.model))
    document = json.loads(path.read_text())
    del document["results"]["video 10"]
    path.write_text(json.dumps(document))
    scored = evaluate(model=run.model, features=project.features, ground_truth=project.annotations, proposals=path)
    assert scored["videos"] == 6
    assert any("1 test video has no proposals in the file" in warning for warning in scored["warnings"])
    document["results"] = {}
    path.write_text(json.dumps(document))
    with pytest.raises(ProposalsError, match="of none of the 6 test videos"):
        evaluate(model=run.model, features=project.features, ground_truth=project.annotations, proposals=path)


@pytest.mark.parametrize("step", [4, 15])
def test_either_stage_goes_on_where_it_was_stopped(project: Project, step: int) -> None:
    whole = on_proposals(project)
    seen = 0

    def stop(current: int, steps: int, losses: dict[str, float]) -> None:
        nonlocal seen
        seen += 1
        if seen == step // 3 + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_proposals(project, progress=stop)
    resumed = on_proposals(project, resume=True)
    assert resumed.folder != whole.folder
    mine, theirs = load_file(resumed.model), load_file(whole.model)
    assert mine.keys() == theirs.keys()
    assert [name for name in theirs if not torch.equal(mine[name], theirs[name])] == []


def test_a_run_keeps_its_proposer(project: Project) -> None:
    with pytest.raises(KeyboardInterrupt):
        on_proposals(project, progress=interrupt_at(3))
    with pytest.raises(UsageError, match="no unfinished run of seal on proposals of co2net to resume"):
        project.train("seal", base="co2net", resume=True, overrides=SECOND)
    with pytest.raises(ConfigError, match=r"proposer: was started with other values of .*lr"):
        on_proposals(project, resume=True, overrides={"proposer.lr": 0.5})
    # Also once the proposer is there.
    run = on_proposals(project, resume=True)
    with pytest.raises(ConfigError, match=r"proposer: was started with other values of .*lr"):
        on_proposals(project, resume=run.folder, overrides={"proposer.lr": 0.5})
    with pytest.raises(ConfigError, match="was started with proposals of acrnet, not of co2net"):
        project.train("seal", base="co2net", resume=run.folder, overrides=SECOND)


def test_a_study_has_one_kind_of_proposer(project: Project) -> None:
    on_proposals(project, study="s", seed=0)
    with pytest.raises(ConfigError, match=r"proposer: was started with other values of .*lr"):
        on_proposals(project, study="s", seed=1, overrides={"proposer.lr": 0.5})
    other = on_proposals(project, study="s", seed=1)
    first, second = (load_file(run.folder / "proposer" / "model.safetensors") for run in runs.all_runs(project.runs))
    assert not all(torch.equal(first[name], second[name]) for name in first), "a seed is the proposer's, too"
    assert study_to_resume(project.runs, "seal", "acrnet").members[1].folder == other.folder
    with pytest.raises(UsageError, match="no study of seal to resume"):
        study_to_resume(project.runs, "seal")  # of co2net
    with pytest.raises(UsageError, match="no study of seal to resume"):
        study_to_resume(project.runs, "seal", "acrnet", without=["mca"])


def test_components_go_where_they_belong(project: Project) -> None:
    run = on_proposals(project, without=["sc", "mca"])
    header = read_header(run.model)
    assert header.without == ("sc",)
    assert header.proposer is not None and header.proposer.without == ("mca",)
    assert header.composition == "seal without sc on proposals of acrnet without mca (video-level labels)"
    with pytest.raises(ModelError, match="seal has no part 'mcaa'"):
        on_proposals(project, without=["mcaa"])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"base": "acrnet", "proposer": "x"}, ConfigError, "--proposer and --base and --plugin each name a proposer"),
        ({"proposals": "p.json", "proposer": "x"}, ConfigError, "--proposals and --proposer each name a proposer"),
        ({"base": "pmil"}, ModelError, "seal judges proposals of a method on snippets, and pmil makes none"),
        ({"base": "acrnett"}, ModelError, "no method 'acrnett'.*acrnet"),
        ({"proposals": "nowhere.json"}, ProposalsError, "nowhere.json: no such file"),
        ({"overrides": {"sampling": "full"}}, ConfigError, "sampling = 'full' is not for methods on proposals"),
        ({"overrides": {"compile": True}}, ConfigError, "compile = true is not for methods on proposals"),
    ],
)
def test_what_does_not_fit_is_said_at_once(
    project: Project, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        project.train("seal", **arguments)
    assert not project.runs.exists()


def test_a_method_on_snippets_takes_no_proposals(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"acrnet works on snippets and takes no proposals.*pmil and seal"):
        project.train("acrnet", proposals="p.json")
    with pytest.raises(ConfigError, match="sampling = 'proposals' is not for methods on snippets"):
        project.train("acrnet", overrides={"sampling": "proposals"})


def test_a_second_stage_cannot_propose(project: Project) -> None:
    run = on_proposals(project)
    again = on_proposals(project, proposer=str(run.model))  # but lends the proposer inside it
    header = read_header(again.model)
    assert header.proposer is not None and header.proposer.method == "acrnet"


def test_the_plugins_of_the_proposer(project: Project) -> None:
    run = on_proposals(project, base="acrnet", plugins=["clasnet"], overrides={"clasnet.heads": 2})
    header = read_header(run.model)
    assert header.proposals is not None
    assert header.proposals.name == "acrnet + clasnet"
    assert candidates(run, project, "video 11")
