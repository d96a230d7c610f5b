"""``wtalkit doctor``: versions, builds, devices, folders and a test of the whole chain, for finding what is wrong."""

from __future__ import annotations

import json as json_module
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wtalkit import __version__
from wtalkit.cli.options import Debug, Device, DeviceName, Json, Quiet, Verbose
from wtalkit.cli.terminal import Terminal, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtalkit.diagnosis import Finding, Stage


def command(
    test: Annotated[
        bool, typer.Option("--test/--no-test", help="Run the whole chain on a few seconds of video; ten seconds.")
    ] = True,
    device: Device = DeviceName.auto,
    json: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Show versions, devices and caches, and test whether the whole chain works and how fast it is."""
    from wtalkit.diagnosis import examine, self_test

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    with terminal.status("looking around"):
        findings = list(examine())
    stages = []
    if test:
        with terminal.status("testing the chain"):
            stages = list(self_test(device.value))
    broken = [each.sentence for each in findings if each.problem and each.breaks]
    broken += [f"test: {each.name}: {each.problem}." for each in stages if each.problem]
    if json:
        terminal.document(json_module.dumps(_document(findings, stages, broken), indent=1))
        return 3 if broken else 0
    _show(terminal, findings)
    _show_stages(terminal, stages)
    for finding in findings:
        if finding.problem and not finding.breaks:
            terminal.warn(finding.sentence)
    for problem in broken:
        terminal.fail(problem)
    terminal.next_step(f"{count(len(broken), 'thing')} wrong, see above." if broken else "All well. Next: wtalkit demo")
    return 3 if broken else 0


def _show(terminal: Terminal, findings: Sequence[Finding]) -> None:
    rows = list(_self().items())
    rows += [(each.what, each.found + (" (!)" if each.problem else "")) for each in findings]
    terminal.table(("what", "found"), rows)


def _show_stages(terminal: Terminal, stages: Sequence[Stage]) -> None:
    if not stages:
        return
    rows = []
    for each in stages:
        speed = "" if each.per_s is None else f"{each.per_s:,.0f} {each.unit}/s"
        result = "wrong" if each.problem else "as known" if each.compared else "runs; another model than the bundled"
        rows.append((each.name, speed, result))
    terminal.write()
    terminal.table(("test", "speed", "result"), rows, right=(1,))


def _document(findings: Sequence[Finding], stages: Sequence[Stage], broken: Sequence[str]) -> dict[str, Any]:
    return {
        **_self(),
        "well": not broken,
        "findings": [each.to_dict() for each in findings],
        "test": [each.to_dict() for each in stages],
        "problems": list(broken),
    }


def _self() -> dict[str, str]:
    return {
        "wtalkit": f"{__version__}, {Path(__file__).parent.parent}",
        "python": f"{platform.python_version()}, {sys.executable}",
        "system": f"{platform.system()} {platform.release()}",
    }
