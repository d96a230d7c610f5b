"""Pictures of the report for the documentation: on a desktop in light, on a phone in dark; with --all each in both.

    python docs/make_screenshots.py                   the sample project's demo video, into docs/img/
    python docs/make_screenshots.py PAGE.html --out DIR --all

Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

REPOSITORY = Path(__file__).resolve().parent.parent
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SHOWN = (("desktop", "light"), ("phone", "dark"))
SEGMENT = 2
"""Which segment is selected."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", type=Path, help="a report; made of samples/match.mp4 if left out")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "img")
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = arguments.page or _report_of_the_samples(Path(folder))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for size, scheme in itertools.product(SIZES, ("light", "dark")) if arguments.all else SHOWN:
            target = arguments.out / f"report-{size}-{scheme}.png"
            _take(browser, page, size, scheme, target)
            print(f"{target}  {target.stat().st_size / 1e3:.0f} kB")
        browser.close()


def _report_of_the_samples(folder: Path) -> Path:
    samples = folder / "samples"
    samples.mkdir()
    for name in ("match.mp4", "annotations.json", "wtalkit.toml"):
        shutil.copy(REPOSITORY / "samples" / name, samples)
    command = [sys.executable, "-m", "wtalkit", "report", "match.mp4", "-o", "match.html"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, cwd=samples, check=True, env=environment)
    return samples / "match.html"


def _take(browser: Browser, page: Path, size: str, scheme: str, target: Path) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=size == "phone"
    )
    tab = context.new_page()
    tab.goto(page.absolute().as_uri())
    _wait(tab, "document.getElementById('player').readyState >= 4 || document.getElementById('why').textContent !== ''")
    tab.locator("#rows tr[data-place]").nth(SEGMENT).click()
    tab.mouse.move(0, 0)
    tab.evaluate("document.activeElement.blur()")
    _wait(tab, "!document.getElementById('player').seeking")
    tab.wait_for_timeout(600)  # the player's controls fade
    tab.screenshot(path=target, full_page=size == "phone")
    context.close()


def _wait(tab: Page, condition: str) -> None:
    """Playwright's own waiting needs eval, which the page forbids."""
    for _ in range(100):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(100)
    raise SystemExit(f"{condition}: not within 10 s")


if __name__ == "__main__":
    main()
