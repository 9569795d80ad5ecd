"""Filter expressions: what they select, what they refuse, and that they do nothing else."""

from __future__ import annotations

import re
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tracing.errors import FilterError
from harness_tracing.observe.filter import COLUMNS, Filter
from harness_tracing.spans.attributes import ATTRIBUTES

SPAN = {
    "name": "Bash",
    "kind": "TOOL",
    "status_code": "ERROR",
    "status_message": "exit code 2",
    "parent_id": "00f067aa0ba902b7",
    "context": {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "53995c3f42cd8ad8"},
    "start_time": "2025-12-02T14:03:12.250000+00:00",
    "end_time": "2025-12-02T14:03:14.500000+00:00",
    "attributes": {
        "openinference.span.kind": "TOOL",
        "tool.name": "Bash",
        "tool.id": "17",
        "harness.turn.number": 2,
        "harness.tool.waited_ms": 2500.5,
        "harness.flag": True,
        "llm.output_messages.0.message.role": "assistant",
        "select.from": "a keyword",
        "input.value": "100%\n_done_",
    },
    "annotations": [],
    "evaluations": [],
    "events": [],
}


@pytest.mark.parametrize(
    "expression",
    [
        "status_code = 'ERROR'",
        "STATUS_CODE = 'nothing' OR status_code = 'ERROR'".replace("STATUS_CODE", "name"),
        "status_code = 'ERROR' and attributes.tool.name like 'Ba%'",
        "attributes.openinference.span.kind = 'TOOL'",
        "attributes.openinference.span.kind <> 'LLM'",
        "attributes.harness.turn.number between 2 and 3",
        "attributes.harness.turn.number not between 3 and 4",
        "attributes.harness.tool.waited_ms > 2500",
        "2500 < attributes.harness.tool.waited_ms",
        "attributes.harness.turn.number > -1",
        "attributes.harness.turn.number = '2'",
        "attributes.tool.id = 17",
        "attributes.tool.id < 18",
        "attributes.harness.flag = true",
        "attributes.harness.flag != false",
        "attributes.llm.output_messages.0.message.role = 'assistant'",
        "attributes.select.from = 'a keyword'",
        "attributes.\"tool.name\" = 'Bash'",
        "name in ('Read', 'Bash')",
        "name not in ('Read', 'Edit')",
        "name ilike 'BA__'",
        "name not like 'ba%'",
        "attributes.input.value like '100%done_'",
        "parent_id is not null",
        "attributes.session.id is null",
        "not (kind = 'LLM' or kind = 'AGENT')",
        "span_id = '53995c3f42cd8ad8'",
        "context.trace_id = '4bf92f3577b34da6a3ce929d0e0e4736'",
        "start_time >= '2025-12-02'",
        "start_time < '2025-12-02T15:03:12.3+01:00'",
        "start_time = '2025-12-02 14:03:12.25Z'",
        "end_time between '2025-12-02T14:03' and '2025-12-02T14:04'",
        "start_time like '2025-12-02%'",
        "(((name = 'Bash')))",
        "not not name = 'Bash'",
        "name = 'x' or name = 'y' or name = 'Bash'",
        "attributes.input.value != 'it''s -- not /* a comment'",
    ],
)
def test_selects(expression: str) -> None:
    assert Filter(expression).matches(SPAN)


@pytest.mark.parametrize(
    "expression",
    [
        "status_code = 'error'",
        "name like 'as'",
        "name like 'Bash_'",
        "attributes.harness.turn.number > 2",
        "attributes.missing = 'x'",
        "attributes.missing != 'x'",
        "not attributes.missing = 'x'",
        "attributes.missing in ('x')",
        "attributes.missing not in ('x')",
        "attributes.missing like '%'",
        "attributes.missing not like 'x'",
        "attributes.missing between 1 and 2",
        "attributes.harness.flag = 1",
        "name > 5",
        "name = 'Bash' and attributes.missing = 1",
        "start_time > '2025-12-03'",
    ],
)
def test_leaves_out(expression: str) -> None:
    assert not Filter(expression).matches(SPAN)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_known_column_can_be_asked_for(column: str) -> None:
    assert Filter(f"{column} is not null").matches(SPAN)


def test_every_attribute_that_spans_may_carry_can_be_asked_for() -> None:
    for attribute in ATTRIBUTES:
        key = re.sub(r"(?<=\.)[NMK](?=\.)", "0", attribute.key)
        assert Filter(f"attributes.{key} is not null").matches({"attributes": {key: "x"}}), key


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("statuscode = 'ERROR'", "unknown column 'statuscode'"),
        ("statuscode = 'ERROR'", "attributes.<name>"),
        ("statuscode = 'ERROR'", "parent_id"),
        ("attributes = 'x'", "unknown column 'attributes'"),
        ("status_cod = 'ERROR'", "did you mean status_code?"),
        ("STATUS_CODE = 'ERROR'", "did you mean status_code?"),
        ("tool.name = 'Bash'", "did you mean attributes.tool.name?"),
        ("llm.model_nam = 'x'", "did you mean attributes.llm.model_name?"),
        ("evaluations.quality = 'x'", "evaluations.<name>.label"),
        ("evaluations.quality.labels = 'x'", "evaluations.<name>.label"),
        ('status_code = "ERROR"', "written as 'ERROR'"),
        ("\"ERROR\" = 'x'", "single quotes"),
        ("lower(name) = 'bash'", "LOWER(name)"),
        ("name = (select 1)", "SELECT 1"),
        ("name in (select 1)", "SELECT 1"),
        ("name in ()", "a list in parentheses"),
        ("exists (select 1)", "EXISTS"),
        ("name = kind", "'kind'"),
        ("1 = 1", "a column is needed"),
        ("true", "TRUE"),
        ("name", "'name'"),
        ("name = 'a' = 'b'", "a column is needed"),
        ("name + 1 = 2", "name + 1"),
        ("name || 'x' = 'y'", "||"),
        ("name = 'x' collate nocase", "COLLATE"),
        ("name like 'x' escape '!'", "ESCAPE"),
        ("name like 5", "like needs a text"),
        ("name similar to 'x'", "SIMILAR"),
        ("name is true", "is null"),
        ("name = null", "is null"),
        ("name in ('x', null)", "is null"),
        ("name between symmetric 1 and 2", "BETWEEN"),
        ("name is distinct from 'x'", "DISTINCT"),
        ("name::int = 1", "CAST"),
        ("name = ?", "'?'"),
        ("name = :x", "':x'"),
        ("name = @@version", "version"),
        ("name = 1 limit 1", "'limit' (character 10)"),
        ("name = 1; drop table turns", "'drop'"),
        ("name = 1 union select 1", "'union'"),
        ("name = 'x", "quote in the filter is not closed"),
        ("name = 'it's'", "'it''s'"),
        ("attributes.tool.name = 1 limit 1", "'limit' (character 26)"),
        ("(kind = 'LLM'", "(character 9), where ) is missing"),
        ("(name = 'x'", "not understood"),
        ("name = 'x' and", "'and'"),
        ("name = 1 -- and kind = 'LLM'", "comments"),
        ("name /* x */ = 1", "comments"),
        ("/* x */", "comments|empty"),
        ("", "empty"),
        ("   ", "empty"),
        ("attributes.harness.flag > true", "no order"),
        ("start_time > 5", "2025-12-31"),
        ("start_time > 'yesterday'", "2025-12-31"),
        ("start_time > '2025-13-41'", "2025-12-31"),
        ("name = " + "9" * 5000, "not a number"),
        ("(" * 500 + "name = 1" + ")" * 500, "too deeply"),
        ("not " * 5000 + "name = 1", "longer than|too deeply"),
        ("name = '" + "x" * 10_000 + "'", "longer than"),
    ],
)
def test_refuses_and_says_what_is_not_understood(expression: str, says: str) -> None:
    with pytest.raises(FilterError) as raised:
        Filter(expression)
    assert any(part in str(raised.value) for part in says.split("|")), str(raised.value)


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("attributes.llm.token_count.total > 'abc'", "a number"),
        ("'abc' < attributes.llm.token_count.total", "a number"),
        ("attributes.llm.token_count.total in (1, 'many')", "a number"),
        ("attributes.llm.cost.total between 'a' and 2", "a number"),
        ("attributes.harness.turn.number = true", "a number"),
        ("attributes.harness.turn.number like '2'", "a number"),
        ("evaluations.quality.score >= 'high'", "a number"),
        ("evaluations.quality.label = true", "a text"),
        ("attributes.tool.name = true", "a text"),
        ("kind = false", "a text"),
        ("attributes.harness.subagent.background = 'yes'", "true or false"),
        ("attributes.harness.subagent.background = 1", "true or false"),
        ("attributes.harness.gaps = 'x'", "a list of texts"),
        ("attributes.harness.gaps like 'x'", "a list of texts"),
    ],
)
def test_a_comparison_that_can_never_be_true_is_refused(expression: str, holds: str) -> None:
    with pytest.raises(FilterError) as raised:
        Filter(expression)
    assert "can never be true" in str(raised.value) and f"is {holds}" in str(raised.value)


def test_what_may_hold_anything_compares_with_anything() -> None:
    for wanted in ("'abc'", "5", "true"):
        assert not Filter(f"attributes.mine = {wanted}").matches(SPAN)
    assert Filter("attributes.harness.turn.number = '2'").matches(SPAN)
    assert Filter("attributes.tool.id = 17").matches(SPAN)


def test_a_long_chain_is_no_deep_nesting() -> None:
    chain = " or ".join(f"name = 'n{number}'" for number in range(500))
    assert not Filter(chain).matches(SPAN)
    assert Filter(chain + " or name = 'Bash'").matches(SPAN)


def test_error_messages_carry_no_terminal_escapes() -> None:
    for text in ("\x1b[2Jname = 1", "name = 1 \x1b]0;title\x07", "a\x9b31m = 'x'", "name = \x1b"):
        with pytest.raises(FilterError) as raised:
            Filter(text)
        assert "\x1b" not in str(raised.value) and "\x9b" not in str(raised.value)


def test_many_wildcards_do_not_take_for_ever() -> None:
    hostile = Filter("name like '" + "%a" * 500 + "b'")
    assert not hostile.matches({**SPAN, "name": "a" * 20_000})


INJECTIONS = [
    "name = 'x'; drop table turns; --",
    "name = 'x' --",
    "name = 'x' /* and */ or 1=1",
    "name = 'x' # and",
    "1=1",
    "'a' = 'a'",
    "name = 'x' or 1=1",
    "name = 'x' or true",
    "name = 'x' union select body from step_bodies",
    "name in (select name from steps)",
    "name = (select group_concat(body) from step_bodies)",
    "exists (select 1 from turns)",
    "case when name = 'x' then true else false end",
    "load_extension('/tmp/x.so')",
    "name = load_extension('/tmp/x.so')",
    "name = readfile('/etc/passwd')",
    "name = randomblob(1000000000)",
    "name glob '*'",
    "name regexp '(a+)+b'",
    "name match 'x'",
    "name is not 'x'",
    "name = x'41'",
    "name = cast('1' as integer)",
    "pragma table_info(turns)",
    "attach database '/tmp/x' as y",
    "vacuum into '/tmp/x'",
    "with t as (select 1) select 1",
    "create trigger t after insert on turns begin select 1; end",
    "name = @x",
    "name = $1",
    "name = ?1",
    "name = {{ 1 }}",
    "steps.name = 'x'",
    "main.steps.name = 'x'",
    "sqlite_master.sql = 'x'",
    "rowid = 1",
    "[name] = 'x' or [rowid] = 1",
    "`name` = 'x' or `rowid` = 1",
    "*",
    "name.* = 'x'",
    "attributes.* = 'x'",
    "attributes['tool.name'] = 'x' ",
    "attributes->'tool' = 'x'",
    "name = 'x' order by 1",
    "name = 'x' into outfile '/tmp/x'",
    "\uff4e\uff41\uff4d\uff45 = 'x'",
    "n\u0430me = 'x'",
    "name = \u2018x\u2019",
    "name = \uff07x\uff07",
    "name \uff1d 'x'",
    "name\u200b = 'x'",
    "name = 'x'\x00 or 1=1",
    "name = 'x\ud800' or",
    "name = 1e999999999",
    "name = 0x7fffffffffffffffffff",
    "name = " + "-" * 3000 + "1",
    "(" * 4000 + "name = 'x'" + ")" * 4000,
    "not (" * 1500 + "name = 'x'" + ")" * 1500,
    "name in (" + "(" * 3000 + "1" + ")" * 3000 + ")",
    "name = 'x' and " * 800 + "name",
    "name = '" + "'" * 9000,
    "a." * 4000 + "b = 1",
    "x" * 1_000_000,
    "name = '" + "x" * 1_000_000 + "'",
    "(" * 1_000_000,
]


@pytest.mark.parametrize("expression", INJECTIONS, ids=range(len(INJECTIONS)))
def test_what_is_no_filter_is_refused_in_a_short_printable_sentence(expression: str) -> None:
    with pytest.raises(FilterError) as raised:
        Filter(expression)
    said = str(raised.value)
    assert len(said) < 700
    assert said.encode("utf-8").decode().isprintable()


def test_verdicts_on_a_span_are_columns() -> None:
    said = [{"name": "safe", "label": "no"}, {"name": "q", "label": "bad", "score": 0.25}]
    span = {**SPAN, "evaluations": said}
    assert Filter("evaluations.q.label = 'bad' and evaluations.q.score < 0.5").matches(span)
    assert Filter("evaluations.q.explanation is null").matches(span)
    assert not Filter("annotations.q.label = 'bad'").matches(span)
    assert not Filter("evaluations.q.label != 'bad'").matches(span)
    assert Filter('evaluations."is it. safe".label is null').matches(span)


def test_only_what_looks_misspelt_is_warned_of() -> None:
    assert Filter("attributes.tool.nane = 'x' or attributes.mine = 'y'").warnings == [
        "no span of ours has attributes.tool.nane; did you mean attributes.tool.name?"
    ]
    assert Filter("attributes.llm.output_messages.3.message.role = 'x'").warnings == []


def test_a_value_that_a_column_never_has_is_warned_of() -> None:
    assert Filter("not (status_code = 'error' or kind = 'LLM')").warnings == [
        "status_code is never 'error'; it is one of OK, ERROR, UNSET"
    ]
    assert "'TOL'" in Filter("kind in ('LLM', 'TOL')").warnings[0]


@pytest.mark.parametrize(
    ("expression", "demanded"),
    [
        ("kind = 'LLM'", "LLM"),
        ("kind = 'LLM' and name = 'x'", "LLM"),
        ("name = 'x' and (kind in ('LLM'))", "LLM"),
        ("kind = 'LLM' or name = 'x'", None),
        ("not kind = 'LLM'", None),
        ("kind != 'LLM'", None),
        ("kind in ('LLM', 'TOOL')", None),
        ("kind like 'LLM'", None),
        ("kind = 1", None),
    ],
)
def test_what_every_match_has_in_a_column(expression: str, demanded: Optional[str]) -> None:
    assert Filter(expression).demands("kind") == demanded


# A naive evaluator over its own little syntax tree, against which the real one is held.

TEXTS = st.text(alphabet="ab%_' Z", max_size=6)
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([-1.5, 0.5, 2.0, 1e3]))
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans())
COLUMNS_OF_TEXT = ["name", "kind"]
ANYTHING = ["attributes.x", "attributes.y.0.z"]
NAMES = st.sampled_from([*COLUMNS_OF_TEXT, *ANYTHING])


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


ORDERABLE = st.one_of(TEXTS, NUMBERS)


def _equalities(names: list[str], scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    name, several = st.sampled_from(names), st.lists(scalars, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("cmp"), name, st.sampled_from(["=", "!=", "<>"]), scalars),
        st.tuples(st.sampled_from(["in", "not in"]), name, several),
    )


LEAVES = st.one_of(
    _equalities(COLUMNS_OF_TEXT, ORDERABLE),
    _equalities(ANYTHING, SCALARS),
    st.tuples(st.just("cmp"), NAMES, st.sampled_from(["<", "<=", ">", ">="]), ORDERABLE),
    st.tuples(st.sampled_from(["null", "not null"]), NAMES),
    st.tuples(st.sampled_from(["between", "not between"]), NAMES, ORDERABLE, ORDERABLE),
    st.tuples(st.sampled_from(["like", "not like", "ilike", "not ilike"]), NAMES, TEXTS),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or"]), inner, inner), st.tuples(st.just("not"), inner)
    ),
    max_leaves=8,
)


def _sql(tree: Any) -> str:
    kind = tree[0]
    if kind in ("and", "or"):
        return f"({_sql(tree[1])}) {kind} ({_sql(tree[2])})"
    if kind == "not":
        return f"not ({_sql(tree[1])})"
    if kind == "cmp":
        return f"{tree[1]} {tree[2]} {_written(tree[3])}"
    if kind in ("null", "not null"):
        return f"{tree[1]} is {kind}"
    if kind in ("in", "not in"):
        return f"{tree[1]} {kind} ({', '.join(map(_written, tree[2]))})"
    if kind in ("between", "not between"):
        return f"{tree[1]} {kind} {_written(tree[2])} and {_written(tree[3])}"
    return f"{tree[1]} {kind} {_written(tree[2])}"


def _naive(tree: Any, values: dict[str, Any]) -> Optional[bool]:
    kind = tree[0]
    if kind == "and":
        return _least(_naive(tree[1], values), _naive(tree[2], values))
    if kind == "or":
        return _negated(
            _least(_negated(_naive(tree[1], values)), _negated(_naive(tree[2], values)))
        )
    if kind.startswith("not ") and kind != "not null":
        return _negated(_naive((kind[4:], *tree[1:]), values))
    if kind == "not":
        return _negated(_naive(tree[1], values))
    value = values[tree[1]]
    if kind in ("null", "not null"):
        return (value is None) == (kind == "null")
    if kind == "cmp":
        return _compare(value, tree[2], tree[3])
    if kind == "in":
        pairs = [_compare(value, "=", item) for item in tree[2]]
        return True if any(pairs) else None if None in pairs else False
    if kind == "between":
        return _least(_compare(value, ">=", tree[2]), _compare(value, "<=", tree[3]))
    if not isinstance(value, str):
        return None
    fold = str.lower if kind == "ilike" else str
    return _like(fold(value), fold(tree[2]))


def _least(a: Optional[bool], b: Optional[bool]) -> Optional[bool]:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def _negated(a: Optional[bool]) -> Optional[bool]:
    return None if a is None else not a


def _compare(value: Any, sign: str, wanted: Any) -> Optional[bool]:
    if value is None or isinstance(value, bool) is not isinstance(wanted, bool):
        return None
    if isinstance(value, str) is not isinstance(wanted, str):
        try:
            value, wanted = float(value), float(wanted)
        except ValueError:
            return None
    order = (value > wanted) - (value < wanted)
    allowed = {"=": [0], "!=": [-1, 1], "<>": [-1, 1], "<": [-1], "<=": [-1, 0]}
    return order in {**allowed, ">": [1], ">=": [0, 1]}[sign]


def _like(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(_like(text[start:], pattern[1:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and _like(text[1:], pattern[1:])


@settings(max_examples=300, deadline=None)
@given(TREES, st.tuples(*[st.one_of(st.none(), SCALARS)] * 4))
def test_agrees_with_a_naive_evaluator(tree: Any, drawn: tuple[Any, ...]) -> None:
    values = dict(zip(["name", "kind", "attributes.x", "attributes.y.0.z"], drawn))
    span = {
        "name": drawn[0],
        "kind": drawn[1],
        "attributes": {"x": drawn[2], "y.0.z": drawn[3]},
    }
    assert Filter(_sql(tree)).matches(span) is (_naive(tree, values) is True)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "name kind attributes.x attributes . ( ) [ ] { } ' \" ; , = != < > <= || && -- /* */ "
            "and or not in like is null between select from where case when end cast exists "
            "union 'a' 1 -1 * / % ? :x @x $1 `x` \\ \x00 \x1b é 💥 0x1 1e9 date '2025-01-01' "
            "current_user lower(name) sleep(9) ::int -> ->> ~ ^ # {{x}} {% %}".split(" ")
        ),
        max_size=8,
    ).map(" ".join)
)
def test_any_text_is_either_understood_or_a_filter_error(text: str) -> None:
    try:
        Filter(text).matches(SPAN)
    except FilterError as error:
        assert str(error).isprintable()
