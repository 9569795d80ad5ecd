"""Rules of the user's own: one file each, found, named, and never able to end a run."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from harness_tracing.activity import Gate
from harness_tracing.errors import ConfigError
from harness_tracing.evaluate.finding import Failed, Finding, Judgement, NotMeasurable
from harness_tracing.evaluate.own_rules import OwnRule, OwnRuleError, folder_in, load
from harness_tracing.evaluate.rules import RULES, judged
from harness_tracing.evaluate.seen import Seen
from harness_tracing.model import Turn
from tests.evaluate.made import bash, edit, read, tool, turn, write

EXAMPLES = Path(__file__).parents[2] / "examples" / "evaluators"
FUNCTION = """
from harness_tracing.evaluate.finding import About
ABOUT = About("other name", "No command was run.", {"none": 1.0, "ran": 0.0})
def RULE(seen):
    if seen.commands:
        return ABOUT.finding("ran", "a command ran", seen.turn, (seen.commands[0].tool,))
    return ABOUT.finding("none", "no command ran", seen.turn)
"""


PAGE = Path(__file__).parents[2] / "docs" / "writing-evaluators.md"


def test_the_page_shows_the_example_as_it_is() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert block == (EXAMPLES / "leaves_no_todo.py").read_text(encoding="utf-8")


def test_the_page_names_what_a_rule_sees() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`seen\.(\w+)`", text))
    there = {name for name in dir(Seen) if name[0] != "_"} | {"turn", "gate"}
    assert named <= there
    assert there - named == {"did", "place"}  # what rules that come along share


def judge(rule: OwnRule, *turns: Turn) -> Judgement:
    """What the rule says of the last of the turns."""
    *_, (_, (said,)) = judged(turns, None, [rule.make])
    return said


def one(folder: Path, source: str, name: str = "mine") -> OwnRule:
    """The rule of a folder with one file."""
    folder.joinpath(name + ".py").write_text(source, encoding="utf-8")
    return load(folder)[name]


@pytest.mark.parametrize(
    "label, made",
    [
        ("left", turn(edit("a.py", "a = 1", "a = 1  # TODO: why"))),
        ("left", turn(write("b.py", "# FIXME\n"))),
        ("none", turn(edit("a.py", "a = 1  # TODO", "a = 1"))),
        ("none", turn(edit("a.py", "a", "TODOS = ()"))),
        ("not measurable", turn(tool("Edit", {"file_path": "/app/a.py"}))),
        (None, turn(edit("README.md", "a", "TODO"))),
        (None, turn(read("a.py"))),
    ],
)
def test_the_example_judges_as_it_says(label: str, made: Turn) -> None:
    rules = load(EXAMPLES)
    assert set(rules) == {"leaves_no_todo"}
    said = judge(rules["leaves_no_todo"], made)
    found = said.label if isinstance(said, Finding) else "not measurable" if said else None
    assert found == label
    assert not isinstance(said, Failed)


def test_a_rule_has_the_name_of_its_file_and_the_digest_of_its_bytes(tmp_path: Path) -> None:
    rule = one(tmp_path, FUNCTION)
    assert (rule.name, rule.problem) == ("mine", None)
    assert rule.about is not None
    assert rule.about.name == "mine"
    assert rule.sha256 == hashlib.sha256(FUNCTION.encode()).hexdigest()
    said = judge(rule, turn(bash("ls")))
    assert isinstance(said, Finding)
    assert (said.rule, said.label, said.score) == ("mine", "ran", 0.0)


def test_a_rule_that_is_a_class_begins_anew_with_each_session(tmp_path: Path) -> None:
    source = """
from harness_tracing.evaluate.finding import About
class RULE:
    about = About("mine", "It is the first turn.", {"first": 1.0, "later": 0.0})
    def __init__(self):
        self.turns = 0
    def judge(self, seen):
        self.turns += 1
        return self.about.finding("first" if self.turns == 1 else "later", "so", seen.turn)
"""
    rule = one(tmp_path, source)
    for _ in range(2):
        said = [each for _, (each,) in judged([turn(), turn()], None, [rule.make])]
        assert [getattr(each, "label", None) for each in said] == ["first", "later"]


@pytest.mark.parametrize(
    "source, problem",
    [
        ("def RULE(:\n", "line 1: "),
        ("x = 1\n", "it has no RULE"),
        ("RULE = 3\n", "ABOUT is no About"),
        ("def RULE(seen): ...\n", "ABOUT is no About"),
        ("class RULE:\n    def judge(self, seen): ...\n", "RULE.about is no About"),
        ("\nimport no_such_module_at_all\n", "ModuleNotFoundError: "),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero (line 3)"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        (FUNCTION.replace('"ran": 0.0', '"ran": 7'), "ABOUT.labels"),
        (FUNCTION.replace('{"none": 1.0, "ran": 0.0}', "{}"), "ABOUT.labels"),
        (FUNCTION.replace("def RULE(seen)", "RULE = 3\ndef other(seen)"), "neither a class"),
        ("x = '\0'\n", "null byte"),
    ],
)
def test_a_file_without_a_usable_rule_says_why(tmp_path: Path, source: str, problem: str) -> None:
    rule = one(tmp_path, source)
    assert rule.problem is not None
    assert rule.problem.startswith(f"{tmp_path / 'mine.py'}: ")
    assert problem in rule.problem
    with pytest.raises(OwnRuleError, match="mine"):
        rule.make()


def test_one_bad_file_leaves_the_others_alone(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def", encoding="utf-8")
    (tmp_path / "good.py").write_text(FUNCTION, encoding="utf-8")
    (tmp_path / "_shared.py").write_text("def", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no rule", encoding="utf-8")
    rules = load(tmp_path)
    assert {name: rule.problem is None for name, rule in rules.items()} == {
        "bad": False,
        "good": True,
    }


@pytest.mark.parametrize(
    "body, error, why",
    [
        ("return 1 / 0", "ZeroDivisionError", "division by zero (line 4)"),
        ("raise SystemExit(1)", "SystemExit", "SystemExit: 1"),
        ("return 'bad'", "no_verdict", "it returned str"),
        ("return ABOUT.finding('other', 'x', seen.turn)", "KeyError", "other"),
        ("return Finding('x', 'other', 0.0, 'y')", "no_verdict", "'other' is none of its labels"),
    ],
)
def test_what_goes_wrong_in_a_rule_is_its_result(
    tmp_path: Path, body: str, error: str, why: str
) -> None:
    source = (
        "from harness_tracing.evaluate.finding import About, Finding\n"
        'ABOUT = About("x", "It is good.", {"good": 1.0})\n'
        f"def RULE(seen):\n    {body}\n"
    )
    said = judge(one(tmp_path, source), turn())
    assert isinstance(said, Failed)
    assert (said.rule, said.error) == ("mine", error)
    assert why in said.why


def test_a_rule_that_cannot_be_made_fails_and_the_others_go_on(tmp_path: Path) -> None:
    source = (
        "from harness_tracing.evaluate.finding import About\n"
        "class RULE:\n"
        '    about = About("x", "It is good.", {"good": 1.0})\n'
        "    def __init__(self): raise ValueError('no')\n"
        "    def judge(self, seen): ...\n"
    )
    rule = one(tmp_path, source)
    made = turn(edit("a.py"), bash("make check"))
    ((_, said),) = judged([made], Gate(("make", "check"), "given"), [rule.make, RULES[0]])
    assert isinstance(said[0], Failed)
    assert isinstance(said[1], Finding)


def test_not_measurable_carries_the_files_name(tmp_path: Path) -> None:
    source = FUNCTION.replace(
        "    if seen", "    return ABOUT.not_measurable('hidden')\n    if seen"
    )
    said = judge(one(tmp_path, source), turn())
    assert said == NotMeasurable("mine", "hidden")


def test_no_rule_takes_the_name_of_one_that_comes_along(tmp_path: Path) -> None:
    rule = one(tmp_path, FUNCTION, "secret_exposure")
    assert rule.problem is not None
    assert "rename the file" in rule.problem


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_anybody_may_change_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{FUNCTION}", encoding="utf-8")
    path.chmod(0o666)
    problem = load(tmp_path)["mine"].problem
    assert problem is not None
    assert "chmod o-w" in problem
    assert not (tmp_path / "ran").exists()


def test_without_a_folder_there_are_no_rules(tmp_path: Path) -> None:
    assert load(tmp_path / "none") == {}
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert load(tmp_path / "file") == {}


def test_the_users_settings_name_the_folder(tmp_path: Path) -> None:
    config, default = tmp_path / "config.yaml", tmp_path / "evaluators"

    def where(content: dict) -> Path:
        return folder_in(content, config, default, tmp_path / "me")

    assert where({}) == default
    assert where({"evaluators": {"folder": "/rules"}}) == Path("/rules")
    assert where({"evaluators": {"folder": "rules"}}) == tmp_path / "rules"
    assert where({"evaluators": {"folder": "~/rules"}}) == tmp_path / "me" / "rules"


@pytest.mark.parametrize("bad", ["rules", ["rules"], {}, {"folder": 3}, {"folder": "x", "y": 1}])
def test_other_settings_of_the_folder_are_refused(tmp_path: Path, bad: object) -> None:
    with pytest.raises(ConfigError, match="folder: /a/path"):
        folder_in({"evaluators": bad}, tmp_path / "config.yaml", tmp_path)
