"""``wtalkit demo``: detect on the bundled video with the bundled model."""

from __future__ import annotations

from wtalkit.cli import detect
from wtalkit.cli.options import Debug, Json, Quiet, Verbose
from wtalkit.errors import MachineError


def command(json: Json = False, debug: Debug = False, quiet: Quiet = False, verbose: Verbose = False) -> int:
    """Find the actions in the bundled video."""
    from wtalkit.zoo import DEMO_MODEL, demo_video

    video = demo_video()
    if not video.is_file():
        raise MachineError("the bundled video is not there", file=video, remedy="Install wtalkit again")
    return detect.command([video], model=DEMO_MODEL, json=json, debug=debug, quiet=quiet, verbose=verbose)
