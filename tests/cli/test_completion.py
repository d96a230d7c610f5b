"""The scripts that shells complete with, run by those shells."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from wtalkit.cli import completion_scripts
from wtalkit.cli.app import app
from wtalkit.cli.completion import Node, known_values, tree
from wtalkit.methods import METHODS

ASK = {
    "bash": """
source SCRIPT
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_wtalkit
printf '%s\\n' "${COMPREPLY[@]}"
""",
    "zsh": """
compadd() { local -a found; found=(${(M)known:#$words[CURRENT]*}); (( $#found )) && print -l -- $found; }
_files() { print FILES; }
words=("$@"); CURRENT=$#
source SCRIPT
""",
    "fish": "source SCRIPT; complete -C (string join ' ' -- $argv) | string split -f1 \\t",
}


@pytest.fixture(scope="module")
def nodes() -> list[Node]:
    return list(tree(typer.main.get_command(app)))


@pytest.fixture(scope="module", params=sorted(ASK))
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture(scope="module")
def script(shell: str, nodes: list[Node], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "_wtalkit"
    path.write_text(getattr(completion_scripts, shell)(nodes))
    return path


def asked(shell: str, script: Path, *words: str) -> list[str]:
    """What the shell offers for the last word."""
    code = ASK[shell].replace("SCRIPT", str(script))
    options = ["--norc"] if shell == "bash" else ["-f"] if shell == "zsh" else ["--no-config"]
    command = [shell, *options, "-c", code, *([] if shell == "fish" else ["name"]), "wtalkit", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=script.parent)
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line]


def test_commands(shell: str, script: Path) -> None:
    assert set(asked(shell, script, "de")) == {"detect", "demo"}
    assert {"pull", "path"} == set(asked(shell, script, "models", "p"))


def test_options_and_their_values(shell: str, script: Path) -> None:
    assert "--model" in asked(shell, script, "detect", "--mod")
    assert asked(shell, script, "detect", "--on-partial", "ke") == ["keep"]  # an enumeration
    assert asked(shell, script, "train", "--method", "cla") == ["clasnet"]  # a table
    assert "samples" in asked(shell, script, "detect", "video.mp4", "--model", "sam")
    assert asked(shell, script, "evaluate", "--dataset", "thu") == ["thumos14"]
    assert asked(shell, script, "models", "pull", "raft-") == ["raft-small"]


def test_commands_of_one_name_are_told_apart(shell: str, script: Path) -> None:
    assert asked(shell, script, "models", "import", "--lay") in ([], ["FILES"])
    assert asked(shell, script, "import", "--lay") == ["--layout"]
    assert asked(shell, script, "detect", "check", "--fas") in ([], ["FILES"])
    assert asked(shell, script, "check", "--fas") == ["--fast"]


def test_where_nothing_is_known_files_are_offered(shell: str, script: Path) -> None:
    (script.parent / "holiday.mp4").touch()
    found = {"bash": [], "zsh": ["FILES"], "fish": ["holiday.mp4"]}[shell]  # bash does so by itself (-o default)
    assert asked(shell, script, "detect", "holi") == found
    assert asked(shell, script, "detect", "--out", "holi") == found


def test_a_file_named_like_a_command_changes_nothing(shell: str, script: Path) -> None:
    assert asked(shell, script, "extract", "export", "--on-partial", "sk") == ["skip"]


def test_every_option_of_every_command_is_in_it(nodes: list[Node]) -> None:
    paths = {node.path for node in nodes}
    assert {(), ("detect",), ("models", "pull"), ("bench",)} <= paths
    text = completion_scripts.bash(nodes)
    for node in nodes:
        for option in node.options:
            for name in option.names:
                assert name in text
    detect = next(node for node in nodes if node.path == ("detect",))
    flags = {name: option.takes for option in detect.options for name in option.names}
    assert (flags["--json"], flags["--threshold"], flags["-q"]) == (False, True, False)


def test_the_names_are_those_there_are() -> None:
    known = known_values()
    assert set(known["--method"]) == set(METHODS)
    assert {"clasnet", "fenet"} == set(known["--plugin"])
    assert "samples" in known["--model"]


def test_odd_names_of_models_do_not_get_into_a_script(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(bundled, folder)
    shutil.copytree(folder / "samples", folder / "$(touch pwned)")
    monkeypatch.setenv("WTALKIT_MODELS", str(folder))
    assert "samples" in known_values()["--model"]
    assert not any("pwned" in name for names in known_values().values() for name in names)


def test_it_is_made_without_anything_heavy() -> None:
    code = (
        "import sys, typer\nfrom wtalkit.cli.app import app\nfrom wtalkit.cli.completion import tree\n"
        "assert len(list(tree(typer.main.get_command(app)))) > 10\n"
        "print([name for name in ('torch', 'numpy', 'av', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
