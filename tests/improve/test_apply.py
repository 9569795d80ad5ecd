"""Applying and reverting on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness_tracing.errors import ImproveError
from harness_tracing.improve.apply import (
    apply_proposal,
    is_in_place,
    plan,
    preview,
    revert_proposal,
    touched,
)
from harness_tracing.improve.proposal import Proposal
from tests.improve.projects import NOON_NS, Project

USERS_SETTINGS = b'{\r\n  "env": {"ARIZE_TRACE_ENABLED": "true"},\r\n\t"model" :  "x"\r\n}'
USERS_RULES = "\ufeff# Ours\r\n\r\n<!-- keep -->\r\n- Écrire peu.".encode()


def proposals(project: Project) -> dict[str, Proposal]:
    project.session("s1", project.careless(), project.careless())
    found = project.suggest().proposals
    return {each.kind: each for each in found if each.rule == "verified_before_done"}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", ["rules_line", "stop_hook"])
@pytest.mark.parametrize("filled", [False, True])
def test_applied_and_reverted_the_project_is_as_it_was(
    project: Project, kind: str, filled: bool
) -> None:
    if filled:
        (project.folder / ".claude").mkdir()
        (project.folder / ".claude" / "settings.json").write_bytes(USERS_SETTINGS)
        (project.folder / "CLAUDE.md").write_bytes(USERS_RULES)
    before = tree(project.folder)
    proposal = proposals(project)[kind]
    done = apply_proposal(proposal, project.home, NOON_NS)
    assert (done.state, done.applied_at_ns) == ("applied", NOON_NS)
    after = tree(project.folder)
    assert {name: after[name] for name in before if name in after} != before or len(after) > len(
        before
    )
    assert is_in_place(proposal)
    changed = revert_proposal(done, project.home)
    assert len(changed) == len(proposal.changes)
    assert tree(project.folder) == before
    assert (project.folder / ".claude").exists() is filled
    assert not project.home.improvements.exists() or not list(project.home.improvements.rglob("*"))


def test_what_is_written_is_what_was_shown(project: Project) -> None:
    proposal = proposals(project)["rules_line"]
    planned = plan(proposal)
    assert preview(planned) == proposal.diff
    (project.folder / "CLAUDE.md").write_text("# New meanwhile\n")
    with pytest.raises(ImproveError, match="changed while it was shown"):
        apply_proposal(proposal, project.home, NOON_NS, shown=planned)
    assert (project.folder / "CLAUDE.md").read_text() == "# New meanwhile\n"


def test_applied_twice_nothing_changes(project: Project) -> None:
    proposal = proposals(project)["stop_hook"]
    done = apply_proposal(proposal, project.home, NOON_NS)
    once = tree(project.folder)
    assert preview(plan(proposal)) == ""
    apply_proposal(proposal, project.home, NOON_NS + 1)
    assert tree(project.folder) == once
    revert_proposal(done, project.home)
    assert ".claude/settings.json" not in tree(project.folder)


def test_what_the_user_wrote_since_stays_when_it_is_reverted(project: Project) -> None:
    settings, rules = project.folder / ".claude/settings.json", project.folder / "CLAUDE.md"
    rules.write_bytes(USERS_RULES)
    both = proposals(project)
    line = apply_proposal(both["rules_line"], project.home, NOON_NS)
    hook = apply_proposal(both["stop_hook"], project.home, NOON_NS)
    rules.write_bytes(rules.read_bytes() + b"\r\n\r\n# More\r\n")
    settings.write_bytes(settings.read_bytes().replace(b'{\n  "hooks"', b'{\n  "a": 1,\n  "hooks"'))
    revert_proposal(line, project.home)
    revert_proposal(hook, project.home)
    assert rules.read_bytes() == USERS_RULES + b"\r\n\r\n# More\r\n"
    assert settings.read_bytes() == b'{\n  "a": 1\n}\n'


def test_two_in_one_file_come_out_in_any_order(project: Project) -> None:
    rules = project.folder / "CLAUDE.md"
    rules.write_bytes(USERS_RULES)
    first = proposals(project)["rules_line"]
    change = first.changes[0]
    other = Proposal(
        **{
            **vars(first),
            "proposal_id": "im_other",
            "changes": (type(change)(**{**vars(change), "text": "- Another."}),),
        }
    )
    one = apply_proposal(first, project.home, NOON_NS)
    two = apply_proposal(other, project.home, NOON_NS)
    revert_proposal(one, project.home)
    assert b"- Another." in rules.read_bytes()
    revert_proposal(two, project.home)
    assert rules.read_bytes() == USERS_RULES


def test_our_part_that_was_edited_is_left_and_said(project: Project) -> None:
    rules = project.folder / "CLAUDE.md"
    done = apply_proposal(proposals(project)["rules_line"], project.home, NOON_NS)
    rules.write_text(rules.read_text().replace("make check", "make all"))
    edited = rules.read_text()
    with pytest.raises(ImproveError, match=r"CLAUDE\.md was left as it is.*by hand"):
        revert_proposal(done, project.home)
    assert rules.read_text() == edited


def test_a_file_that_is_gone_needs_no_reverting(project: Project) -> None:
    done = apply_proposal(proposals(project)["rules_line"], project.home, NOON_NS)
    (project.folder / "CLAUDE.md").unlink()
    assert revert_proposal(done, project.home) == []


def test_with_local_the_hook_is_the_users_alone(project: Project) -> None:
    both = proposals(project)
    done = apply_proposal(both["stop_hook"], project.home, NOON_NS, local=True)
    names = set(tree(project.folder))
    assert ".claude/settings.local.json" in names
    assert ".claude/settings.json" not in names
    settings = project.folder / ".claude" / "settings.local.json"
    assert settings in touched(done, project.home)
    revert_proposal(done, project.home)
    assert set(tree(project.folder)) == {"Makefile"}
    with pytest.raises(ImproveError, match="--local is for hooks"):
        apply_proposal(both["rules_line"], project.home, NOON_NS, local=True)


def test_a_read_only_file_is_left_and_nothing_else_is_written(project: Project) -> None:
    settings = project.folder / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_bytes(USERS_SETTINGS)
    settings.chmod(0o444)
    before = tree(project.folder)
    with pytest.raises(ImproveError, match="chmod"):
        apply_proposal(proposals(project)["stop_hook"], project.home, NOON_NS)
    assert tree(project.folder) == before
    assert not (settings.parent / "hooks").exists()


def test_settings_with_comments_are_left_with_a_word_on_what_to_do(project: Project) -> None:
    settings = project.folder / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{\n  // mine\n  "a": 1\n}\n')
    hook = proposals(project)["stop_hook"]
    assert not hook.recommended
    assert "a comment" in (hook.why_not or "")
    with pytest.raises(ImproveError, match="Mend it and run this again"):
        apply_proposal(hook, project.home, NOON_NS)


def test_a_link_out_of_the_project_is_not_followed(project: Project) -> None:
    elsewhere = project.user_home / ".bashrc"
    elsewhere.write_text("# shell\n")
    (project.folder / "CLAUDE.md").symlink_to(elsewhere)
    with pytest.raises(ImproveError, match="leads out of the project"):
        apply_proposal(proposals(project)["rules_line"], project.home, NOON_NS)
    assert elsewhere.read_text() == "# shell\n"


def test_a_link_within_the_project_stays_one(project: Project) -> None:
    (project.folder / "AGENTS.md").write_text("# Rules\n")
    (project.folder / "CLAUDE.md").symlink_to("AGENTS.md")
    done = apply_proposal(proposals(project)["rules_line"], project.home, NOON_NS)
    assert (project.folder / "CLAUDE.md").is_symlink()
    assert "Learned" in (project.folder / "AGENTS.md").read_text()
    revert_proposal(done, project.home)
    assert (project.folder / "AGENTS.md").read_text() == "# Rules\n"


def test_modes_are_kept_and_new_files_can_be_read_by_the_team(project: Project) -> None:
    rules = project.folder / "CLAUDE.md"
    rules.write_text("# Rules\n")
    rules.chmod(0o640)
    both = proposals(project)
    apply_proposal(both["rules_line"], project.home, NOON_NS)
    apply_proposal(both["stop_hook"], project.home, NOON_NS)
    assert rules.stat().st_mode & 0o777 == 0o640
    if os.name != "nt":
        script = next((project.folder / ".claude" / "hooks").iterdir())
        assert script.stat().st_mode & 0o777 == 0o644


def test_a_project_that_is_gone_is_said(project: Project, tmp_path: Path) -> None:
    proposal = proposals(project)["rules_line"]
    project.folder.rename(tmp_path / "moved")
    with pytest.raises(ImproveError, match="is gone"):
        apply_proposal(proposal, project.home, NOON_NS)
