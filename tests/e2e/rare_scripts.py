"""What the scripted model says in the rarer scenes: one script per marker (see scenarios.py)."""

from __future__ import annotations

from harness_tracing.loop_demo.messages_api import Step, Tool
from scenarios import SLEEP_LONG, agent, bash, edit, read

SLEEP_TWO = bash("sleep 2; echo two")
SEARCH = (
    {
        "type": "server_tool_use",
        "id": "srvtoolu_01a",
        "name": "web_search",
        "input": {"query": "discount rules"},
    },
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_01a",
        "content": [
            {
                "type": "web_search_result",
                "url": "https://example.com/a",
                "title": "Discounts",
                "encrypted_content": "c2VjcmV0",
                "page_age": None,
            }
        ],
    },
)

RARE_SCRIPTS: dict[str, tuple[Step, ...]] = {
    "two_dialogs": (
        Step(tools=(bash("touch first_file"), bash("touch second_file"))),
        Step(text="One was allowed, one was not."),
    ),
    "stop_task": (
        Step(tools=(agent("sub_sleeps", background=True),)),
        Step(tools=(SLEEP_TWO,)),
        Step(tools=(Tool("TaskStop", {"task_id": "{agent}"}),)),
        Step(text="The agent was stopped."),
        Step(text="Noted: it was stopped."),
    ),
    "sub_sleeps": (Step(tools=(read(),)), Step(tools=(SLEEP_LONG,)), Step(text="Slept report.")),
    "send_message": (
        Step(tools=(agent("sub_a"),)),
        Step(
            tools=(
                Tool(
                    "SendMessage",
                    {"to": "{agent}", "message": "More. [[sub_more]]", "summary": "ask for more"},
                ),
            )
        ),
        Step(text="It goes on."),
        Step(text="The second report is in."),
    ),
    "sub_more": (Step(tools=(bash("wc -l tests/*.py"),)), Step(text="More: two tests.")),
    "two_background_bashes": (
        Step(tools=(bash("sleep 4; echo one", True), bash("sleep 7; echo two; exit 4", True))),
        Step(tools=(bash("echo meanwhile"),)),
        Step(text="Both run."),
        Step(text="The first is done."),
        Step(text="The second failed."),
    ),
    "stop_bash": (
        Step(
            tools=(
                Tool(
                    "Bash",
                    {
                        "command": SLEEP_LONG.arguments["command"],
                        "description": "Sleep",
                        "run_in_background": True,
                    },
                ),
            )
        ),
        Step(tools=(Tool("TaskStop", {"task_id": "{task}"}),)),
        Step(text="The command was stopped."),
        Step(text="Noted."),
    ),
    "one_agent_fails": (
        Step(tools=(agent("sub_a"), agent("sub_fails"))),
        Step(text="One of the two failed."),
    ),
    "sub_fails": (Step(tools=(read(),)), Step(always_fails=400)),
    "agent_blocked": (
        Step(tools=(agent("sub_twice"),)),
        Step(text="The agent was made to go on."),
    ),
    "sub_twice": (
        Step(tools=(read(),)),
        Step(text="First report."),
        Step(tools=(bash("echo again"),)),
        Step(text="Second report."),
    ),
    "three_tools": (
        Step(tools=(bash("echo refused"),)),
        Step(tools=(bash("echo changed"), read())),
        Step(text="One refused, one changed."),
    ),
    "retries": (
        Step(tools=(read(),), errors=(529, 500)),
        Step(text="Two retries.", tools=(bash("echo retried"),), errors=(429,)),
        Step(text="Done after retries."),
    ),
    "thinks_then_nothing": (Step(tools=(read(),)), Step(thinking="Nothing to say.")),
    "searches": (Step(blocks=SEARCH, tools=(read(),)), Step(text="Found.")),
    "plans": (
        Step(tools=(read(),)),
        Step(tools=(Tool("ExitPlanMode", {"plan": "1. Change it."}),)),
        Step(text="The plan stands."),
    ),
    "overloaded": (
        Step(tools=(read(),)),
        Step(text="The other model answered.", errors=(529,) * 3),
    ),
    "cut_in_tool": (
        Step(text="I will edit.", tools=(edit("a", "b" * 40),), breaks_off=True),
        Step(text="Never mind."),
    ),
    "long_background": (
        Step(tools=(agent("sub_five", background=True),)),
        Step(text="It works in the background."),
        Step(text="The background survey is in."),
    ),
    "sub_five": (
        Step(tools=(bash("sleep 5; echo slow"),)),
        Step(tools=(read(),)),
        Step(text="Slow report."),
    ),
    "background_and_slow": (
        Step(tools=(agent("sub_sleeps", background=True),)),
        Step(tools=(SLEEP_LONG,)),
        Step(text="Not interrupted."),
    ),
    "judge": (Step(text='{"ok": true}'),),
    "cut_at_once": (
        Step(tools=(edit("a", "b" * 40),), breaks_off=True),
        Step(text="Never mind."),
    ),
    "hanging_later": (
        Step(tools=(read(),)),
        Step(text="This stream stops in its middle.", hangs=True),
    ),
    "late_reply": (Step(text="A late reply.", delay_s=8),),
    "five_seconds": (
        Step(tools=(bash("python3 -c 'import time; time.sleep(9)'; echo nine"),)),
        Step(text="It runs on."),
        Step(text="It is over."),
    ),
    "later_message": (
        Step(
            tools=(
                Tool(
                    "SendMessage",
                    {"to": "{agent}", "message": "More. [[sub_more]]", "summary": "ask for more"},
                ),
            )
        ),
        Step(text="It goes on."),
        Step(text="The later report is in."),
    ),
    "second": (Step(text="Second answer."),),
    "third": (Step(tools=(read(),)), Step(text="Third answer.")),
    "agent_huge": (Step(tools=(agent("sub_huge"),)), Step(text="The agent saw it.")),
    "sub_huge": (
        Step(tools=(bash("python3 -c \"print('y' * 300000)\""), bash("exit 5"))),
        Step(text="It was huge."),
    ),
    "mcp_errors": (
        Step(
            tools=(Tool("mcp__pricing__lookup", {"code": "SAVE10"}), Tool("mcp__pricing__fail", {}))
        ),
        Step(tools=(Tool("mcp__pricing__hang", {}),)),
        Step(tools=(Tool("mcp__pricing__die", {}),)),
        Step(tools=(Tool("mcp__pricing__lookup", {"code": "SAVE20"}),)),
        Step(text="The server is gone."),
    ),
}
