"""Every recording gives the tree that a reviewer called right."""

from __future__ import annotations

from pathlib import Path

import golden
import pytest
from recorded import play, recordings

CASES = recordings("codex")


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_recording_gives_its_golden_tree(folder: Path) -> None:
    texts = [golden.session_text(c.session, c.whole()) for c in play(folder).values()]

    golden.check(f"{folder.parent.name}/{folder.name}", "\n".join(texts))
