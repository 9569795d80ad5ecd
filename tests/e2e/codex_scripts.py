"""What the scripted Responses API says to Codex: one script per marker."""

from __future__ import annotations

import json
import re
from typing import Any

from scripted_responses import HANGS, Fails, Says, call, custom, run, says, text

PATCH = """*** Begin Patch
*** Update File: pricing.py
@@
-def total(n, p):
+def total(n, price):
*** End Patch"""
CODE = """const a = await tools.exec_command({cmd: "cat pricing.py"});
const b = await tools.exec_command({cmd: "exit 3"});
text(a.output); text(String(b.exit_code));"""
WAITING = "until [ -e go-on ]; do sleep 0.1; done; echo over"
SLOW_CODE = f"""const a = await tools.exec_command({{cmd: "{WAITING}", yield_time_ms: 25000}});
text(a.output);"""
AGENT_ID = re.compile(r'agent_id\\*": ?\\*"([0-9a-f-]{36})')


def waits_for_agent(body: Any) -> Says:
    """Wait for the sub-agent that the thread's tools named last."""
    ids = AGENT_ID.findall(json.dumps(body["input"]))
    return says(call("wait_agent", "multi_agent_v1", targets=ids[-1:], timeout_ms=20_000))


RESPONSES = {
    "simple": (says(text("Nothing to change.")),),
    "again": (says(text("Still nothing to change.")),),
    "tool_cycle": (
        says(text("I read it first."), run("cat pricing.py")),
        says(custom("apply_patch", PATCH)),
        says(run("python3 -m compileall -q pricing.py")),
        says(text("The name is better now.")),
    ),
    "parallel": (
        says(run("sleep 0.4; echo one"), run("echo two"), run("sleep 0.2; exit 4")),
        says(text("All three are done.")),
    ),
    "failing": (
        says(run("echo broken >&2; exit 3")),
        says(custom("apply_patch", PATCH.replace("total", "nothing"))),
        says(call("frobnicate", level=3)),
        says(text("All of that failed.")),
    ),
    "code_mode": (says(custom("exec", CODE)), says(text("The cell is done."))),
    "slow_cell": (says(custom("exec", SLOW_CODE)), says(text("The slow cell is done."))),
    "delegates": (
        says(
            call(
                "spawn_agent",
                "multi_agent_v1",
                message="Report. [[child]]",
                agent_type="default",
            )
        ),
        waits_for_agent,
        says(text("The report is in.")),
    ),
    "delegates_v2": (
        says(
            call(
                "spawn_agent",
                "collaboration",
                task_name="survey",
                message="Report. [[child]]",
                fork_turns="none",
            )
        ),
        says(call("wait_agent", "collaboration", timeout_ms=20_000)),
        says(text("The report is in.")),
    ),
    "child": (says(run("ls")), says(text("Child: one file."))),
    "compaction": (
        says(run("cat pricing.py"), tokens=(9000, 6000)),
        says(run("ls"), tokens=(21_000, 6000)),
        says(text("Summary: read it. [[compaction]]"), tokens=(21_100, 6000)),
        says(text("Done after the compaction."), tokens=(5000, 0)),
    ),
    "error": (says(run("ls")), Fails(400)),
    "slow": (says(run("sleep 25")), says(text("Not interrupted."))),
    "hanging": (HANGS,),
}
