"""Every recording gives the tree that is kept beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden import check, session_text
from recorded import play, recordings


@pytest.mark.parametrize("folder", recordings("cursor"), ids=lambda folder: folder.name)
def test_recording_gives_its_golden_tree(folder: Path) -> None:
    sessions = play(folder).values()

    text = "\n".join(session_text(c.session, c.whole()) for c in sessions)

    check(f"{folder.parent.name}/{folder.name}", text)
