"""A real turn is judged when it is final, by a rule and by a judge, without anybody asking."""

from __future__ import annotations

from contextlib import suppress

from claude_client import Home, wait_until
from harness_tracing.errors import NoStoreError
from harness_tracing.store import Annotation, Store
from tests.evaluate.judges import GOOD, Api, Says, openai_body
from tracer import Tracer

RULE, JUDGE = "verified_before_done", "ran_the_check"


def annotations(tracer: Tracer) -> list[Annotation]:
    """What was said of the one session there is, read without any command of ours."""
    with suppress(NoStoreError), Store.open(tracer.root / "store.sqlite3", readonly=True) as store:
        for row in store.sessions():
            return store.annotations(row.agent, row.session_id)
    return []


def test_a_real_turn_is_scored_by_a_rule_and_by_a_judge(bare_home: Home, tracer: Tracer) -> None:
    with Api(Says(openai_body(GOOD))) as api:
        tracer.run("install", "claude-code")
        (tracer.root / "config.yaml").write_text(
            "ai_integrations:\n  mini:\n    provider: openai\n    model: gpt-5-mini\n"
            f"    base_url: {api.url}\n",
            encoding="utf-8",
        )
        tracer.run(
            *("evaluators", "create-template-evaluator", "--name", JUDGE, "--template-name", "ran"),
            *("--template", "Did it run the check? {{input.value}} {{output.value}}"),
            *("--classification-choices", '{"correct": 1, "incorrect": 0}'),
            *("--include-explanations", "--data-granularity", "span"),
        )
        continuous = ("tasks", "create-evaluation", "--is-continuous", "--name")
        rules = ("--task-type", "code_evaluation", "--evaluators", RULE)
        tracer.run(*continuous, "rules", *rules)
        judges = ("--task-type", "template_evaluation", "--evaluators", JUDGE)
        only_turns = ("--query-filter", "attributes.openinference.span.kind = 'LLM'")
        tracer.run(*continuous, "judge", *judges, *only_turns, "--sampling-rate", "1")

        assert bare_home.prompt("Add SAVE25. [[tool_cycle]]").returncode == 0
        wait_until(lambda: len(annotations(tracer)) == 2, 60)

        tracer.run("tasks", "wait", "judge")
        (session,) = tracer.sessions()
        root, *_ = tracer.spans(session["session_id"], "turns")
        found = {each["name"]: each for each in root.json["evaluations"]}
        assert (found[RULE]["annotator_kind"], found[RULE]["label"]) == ("CODE", "verified")
        assert (found[JUDGE]["annotator_kind"], found[JUDGE]["score"]) == ("LLM", 1.0)
        assert found[JUDGE]["explanation"] == GOOD["explanation"]
        # The trajectory came along, and the judge was asked once, about the one turn.
        assert len(api.requests) == 1 and "make check" in str(api.requests[0])
        assert not (tracer.root / "logs" / "evaluate.log").exists()
