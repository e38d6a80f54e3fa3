"""Take screenshots of the demo's pages, for the README.

    python -m jobs pictures

Needs a browser on PATH (Debian: apt install chromium) and a demo that has run.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from jobs.lake.alias import CHAMPION, pin_alias
from jobs.lake.partitions import REPORT
from jobs.lake.read import pin
from jobs.platform.arguments import CommandArgs
from jobs.platform.tracking import home

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1180, 860  # of the browser's window, in pixels
QUALITY = 55  # of WebP: text stays readable, a picture takes some 50 KB


class Args(CommandArgs):
    """folder  where report.webp and quality.webp are written"""

    folder: str = "jobs/local/pictures"


def main(args: Args) -> dict[str, int]:
    """Write both pictures; returns their sizes in bytes."""
    report = pin(REPORT.at(**pin_alias(CHAMPION).partition.values))
    pages = {"report": report.path("report.html"), "quality": home().resolve() / "data_docs" / "index.html"}
    folder = Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    return {name: _picture(page, folder / f"{name}.webp") for name, page in pages.items()}


def _picture(page: Path, to: Path) -> int:
    """Show the top of a page in a headless browser and keep what it draws; returns the bytes written.

    Raises:
        RuntimeError: no browser is on PATH.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), "")
    if not browser:
        raise RuntimeError(f"no browser on PATH; expected one of {', '.join(BROWSERS)} (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory() as scratch:
        shot = Path(scratch) / "page.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
        window = [f"--user-data-dir={scratch}/profile", f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}"]
        subprocess.run(
            [browser, *flags, *window, page.resolve().as_uri()], check=True, capture_output=True, timeout=120
        )
        with Image.open(shot) as image:
            image.convert("RGB").save(to, "WEBP", quality=QUALITY, method=6)
    return to.stat().st_size
