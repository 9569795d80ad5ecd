"""Makes the pictures of docs/phoenix.md: a real session's pages in a real Phoenix.

Run by `make screenshots`; needs Chromium (Debian: apt-get install chromium).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.phoenix import live
from tests.phoenix.delivered import PROJECT
from tests.phoenix.reading import Reading
from tests.phoenix.server import ROOT, Phoenix

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 200_000
WINDOW = "--window-size=1440,860"
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--force-color-profile=srgb", "--force-prefers-reduced-motion"),
)


def main() -> int:
    """Make all pictures; 1 when one is too large to be kept in a repository."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print("Chromium was not found: apt-get install chromium", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as name:
        for shape in ("turns", "calls"):
            _of_shape(browser, Path(name) / shape, shape)
    large = [path for path in IMAGES.glob("phoenix-*.png") if path.stat().st_size > MOST_BYTES]
    for path in large:
        print(f"{path}: {path.stat().st_size} bytes, more than {MOST_BYTES}", file=sys.stderr)
    return 1 if large else 0


def _of_shape(browser: str, folder: Path, shape: str) -> None:
    phoenix = Phoenix(folder / "phoenix").start()
    try:
        with live.client(folder / "home", phoenix.url, shape) as tracer:
            session_id = live.session(tracer)
            turns = [span for span in tracer.spans(session_id, shape) if span.type == "turn"]
        project = Reading(phoenix.url, turns[0].attributes[PROJECT])
        page = f"{phoenix.url}/projects/{project.id()}"
        trace_id = turns[-1].json["context"]["trace_id"]
        _picture(browser, folder, f"{page}/traces/{trace_id}", f"phoenix-trace-{shape}.png")
        if shape == "turns":
            session = project.sessions()[session_id]["id"]
            _picture(browser, folder, f"{page}/sessions/{session}", "phoenix-session.png")
    finally:
        phoenix.kill()


def _picture(browser: str, folder: Path, url: str, name: str) -> None:
    profile, path = folder / name, IMAGES / name
    wait = "--virtual-time-budget=60000"
    where = (f"--user-data-dir={profile}", f"--screenshot={path}")
    subprocess.run(
        [browser, *QUIET, WINDOW, wait, *where, url],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    raise SystemExit(main())
