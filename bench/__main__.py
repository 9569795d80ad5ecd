"""Run all measurements in one go and write them to docs/performance.md.

python -m bench            everything
python -m bench --quick    a tenth of the rounds, printed, not written
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import capture, delivery, long_session, machine, reading, report, sessions, starts
from checkout import CLAUDE


def main() -> int:
    """Measure, write, and say which goals were missed; 1 when one was."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure what tracing costs.")
    parser.add_argument("--quick", action="store_true", help="few rounds, print only")
    quick = parser.parse_args().quick
    if not CLAUDE.exists():
        print("the real client is missing: make setup-e2e", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        place = Path(folder).resolve()
        _say("capture")
        timings = capture.measure(place / "capture", 6 if quick else capture.ROUNDS)
        _say("sessions of the real client")
        walls = sessions.measure(place / "sessions", 2 if quick else sessions.ROUNDS)
        _say("the long session")
        worker = long_session.measure(place / "long")
        _say("reading")
        rate = reading.measure(place / "reading", 3 if quick else reading.ROUNDS)
        _say("commands")
        started = starts.measure(place / "starts", 5 if quick else starts.ROUNDS)
        _say("delivery")
        sent = delivery.measure(place / "delivery")
    words = f"{machine.in_words()}; {machine.client_version(CLAUDE)}"
    measured = report.text(words, timings, walls, worker, rate, sent, started)
    print(measured)
    if not quick:
        report.write(measured)
    return report.verdict(report.goals(timings, walls, worker, rate, started))


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
