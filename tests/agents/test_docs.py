"""The pages about agents: the table has every row for each, each page every section."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness_tracing import agents

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
ROWS = list(agents.get("claude-code").docs)
SECTIONS = {
    "setup": ("Setup",),
    "what is captured": ("What is captured",),
    "what the agent does not tell": ("does not tell", "cannot be seen"),
    "privacy": ("Privacy",),
    "troubleshooting": ("Troubleshooting",),
}


@pytest.mark.parametrize("agent", agents.names())
def test_every_agent_has_every_row_in_the_same_order(agent: str) -> None:
    known = agents.get(agent)
    assert list(known.docs) == ROWS
    assert all(known.docs.values()) and known.learned_on and known.supported_versions


@pytest.mark.parametrize("agent", agents.names())
@pytest.mark.parametrize("section", SECTIONS)
def test_every_agents_page_has_every_section(agent: str, section: str) -> None:
    headings = re.findall(r"^##+ (.+)$", (DOCS / f"{agent}.md").read_text("utf-8"), re.MULTILINE)
    assert any(words in heading for heading in headings for words in SECTIONS[section])


@pytest.mark.parametrize("page", ["../README.md", "getting-started.md"])
@pytest.mark.parametrize("agent", agents.names())
def test_the_first_pages_name_each_agent_and_its_page(page: str, agent: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    assert agents.get(agent).title in text
    assert f"{agent}.md)" in text


@pytest.mark.parametrize("agent", agents.names())
def test_the_page_names_the_version_it_was_learned_on(agent: str) -> None:
    opening = (DOCS / f"{agent}.md").read_text("utf-8").split("\n## ")[0]
    assert re.search(r"\d+(\.\d+)+", agents.get(agent).learned_on)[0] in opening  # type: ignore[index]
