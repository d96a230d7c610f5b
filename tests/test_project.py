from __future__ import annotations

from pathlib import Path

import pytest

from wtalkit.annotations import load_annotations
from wtalkit.errors import ConfigError
from wtalkit.project import Project


def load(folder: Path, text: str | bytes) -> Project:
    (folder / "wtalkit.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return Project.load(folder)


def test_without_a_file_the_usual_names_hold(tmp_path: Path) -> None:
    project = Project.load(tmp_path)
    assert project.file is None
    assert project.videos == tmp_path / "videos"
    assert project.features == tmp_path / "feats"
    assert project.runs == tmp_path / "runs"
    assert project.annotations == tmp_path / "annotations.json"
    assert (project.settings.model, project.settings.backbone, project.settings.flow) == (None, None, None)


def test_labels_csv_serves_if_only_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    assert Project.load(tmp_path).annotations == tmp_path / "labels.csv"
    (tmp_path / "annotations.json").touch()
    assert Project.load(tmp_path).annotations == tmp_path / "annotations.json"


def test_every_key_is_read(tmp_path: Path) -> None:
    keys = ("videos", "annotations", "features", "runs", "train_subset", "test_subset", "backbone", "flow", "model")
    project = load(tmp_path, "".join(f'{key} = "my-{key}"\n' for key in keys))
    assert project.settings.model_dump() == {**{key: f"my-{key}" for key in keys}, "dataset": None}
    assert project.annotations == tmp_path / "my-annotations"


def test_a_data_set_instead_of_annotations(tmp_path: Path) -> None:
    (tmp_path / "annotations.json").touch()
    project = load(tmp_path, 'dataset = "thumos14"')
    assert project.settings.dataset == "thumos14"
    assert len(load_annotations(project.annotations)) == 413
    with pytest.raises(ConfigError, match=r"no data set 'thumos'\. Did you mean thumos14"):
        _ = load(tmp_path, 'dataset = "thumos"').annotations
    with pytest.raises(ConfigError, match=r"wtalkit\.toml: annotations and dataset exclude each other"):
        load(tmp_path, 'dataset = "thumos14"\nannotations = "a.json"')


def test_the_folders_of_the_videos_serve_if_nothing_else_is_there(tmp_path: Path) -> None:
    for name in ("videos/wave/a.mp4", "videos/kick/deep/b.vob", "videos/.trash/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert Project.load(tmp_path).annotations == tmp_path / "videos"
    assert load(tmp_path, 'videos = "elsewhere"').annotations == tmp_path / "annotations.json"
    (tmp_path / "wtalkit.toml").unlink()
    (tmp_path / "videos" / "d.mp4").touch()  # a folder of videos, some of them in folders
    assert Project.load(tmp_path).annotations == tmp_path / "annotations.json"
    (tmp_path / "videos" / "d.mp4").unlink()
    (tmp_path / "labels.csv").touch()
    assert Project.load(tmp_path).annotations == tmp_path / "labels.csv"


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    assert load(tmp_path, b'\xef\xbb\xbfmodel = "x"\r\n').settings.model == "x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('feature = "f"', r"wtalkit\.toml: unknown key 'feature'\. Did you mean features\? Valid: annotations, .*"),
        ("videos = 3", r"wtalkit\.toml: videos must be text, got 3\."),
        ("videos = ", r"wtalkit\.toml: is not TOML: .*"),
        (b"\xff\xfe", r"wtalkit\.toml: is not TOML: .*"),
        ("[table]\nx = 1", r"unknown key 'table'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, text)


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)(?=.*unknown key .modle.)(?=.*flow must be text, got True)"):
        load(tmp_path, 'modle = "x"\nflow = true')
