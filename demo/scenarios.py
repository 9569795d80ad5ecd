"""What the scripted model says: one script per marker."""

from __future__ import annotations

from harness_tracing.loop_demo.messages_api import Step, Tokens, Tool

PRICING = "{cwd}/store/pricing.py"


def read(path: str = PRICING) -> Tool:
    return Tool("Read", {"file_path": path})


def bash(command: str, background: bool = False) -> Tool:
    arguments = {"command": command, "description": "Run " + command.split()[0]}
    return Tool("Bash", {**arguments, "run_in_background": True} if background else arguments)


def edit(old: str, new: str, path: str = PRICING) -> Tool:
    return Tool("Edit", {"file_path": path, "old_string": old, "new_string": new})


def agent(marker: str, kind: str = "general-purpose", background: bool = False) -> Tool:
    return Tool(
        "Agent",
        {
            "description": "Look at " + marker,
            "prompt": f"Report what you find. [[{marker}]]",
            "subagent_type": kind,
            "run_in_background": background,
        },
    )


ADD_SAVE25 = edit('"SAVE20": 20}', '"SAVE20": 20, "SAVE25": 25}')
SLEEP_LONG = bash("python3 -c 'import time; time.sleep(30)'; echo woke")  # Bash refuses `sleep 30`
MANY_TOKENS = Tokens(
    input=20, cache_read=190_000, cache_write_5m=2_000, cache_write_1h=0, output=200
)
SUMMARY = Step(
    text="<summary>The code was read. Go on with [[after_compaction]].</summary>",
    tokens=Tokens(input=4_000, cache_read=60_000, cache_write_5m=0, cache_write_1h=0, output=333),
)

SCRIPTS: dict[str, tuple[Step, ...]] = {
    "simple": (Step(text="Hello. Nothing to change."),),
    "again": (Step(text="Once more: nothing to change."),),
    "tool_cycle": (
        Step(text="I'll read the pricing module first.", tools=(read(),)),
        Step(tools=(ADD_SAVE25,)),
        Step(thinking="The rule wants the whole check.", tools=(bash("make check"),)),
        Step(text="SAVE25 takes 25 % off; `make check` passes."),
    ),
    "parallel_tools": (
        Step(
            text="Three looks at once.",
            tools=(read(), read("{cwd}/tests/test_pricing.py"), bash("sleep 0.4; echo slept")),
        ),
        Step(text="All three were fine."),
    ),
    "tool_failure": (
        Step(tools=(bash("echo broken >&2; exit 3"),)),
        Step(tools=(edit("no such text", "other text"),)),
        Step(tools=(Tool("Frobnicate", {"level": 3}),)),
        Step(tools=(read("{cwd}/store/missing.py"),)),
        Step(tools=(read(), bash("exit 7"))),
        Step(text="Most of that failed."),
    ),
    "subagent_foreground": (
        Step(text="I'll have it surveyed.", tools=(agent("sub_a"),)),
        Step(text="The survey is in."),
    ),
    "subagent_parallel": (
        Step(tools=(agent("sub_a"), agent("sub_b", "Explore"))),
        Step(text="Both surveys are in."),
    ),
    "subagent_nested": (
        Step(tools=(agent("sub_outer"),)),
        Step(text="The nested survey is in."),
    ),
    "subagent_background": (
        Step(tools=(agent("sub_slow", background=True),)),
        Step(tools=(bash("echo meanwhile"),)),
        Step(text="It works in the background."),
        Step(text="The background survey is in."),
    ),
    "sub_a": (
        Step(text="I'll look at the module.", tools=(read(),)),
        Step(tools=(bash("wc -l store/pricing.py"),)),
        Step(text="Report A: one function."),
    ),
    "sub_b": (Step(tools=(bash("ls tests"),)), Step(text="Report B: two tests.")),
    "sub_outer": (
        Step(tools=(bash("echo outer"), agent("sub_inner"))),
        Step(text="Outer report: inner was fine."),
    ),
    "sub_inner": (Step(tools=(read(),)), Step(text="Inner report: fine.")),
    "sub_slow": (Step(tools=(bash("sleep 1.5; echo slow"),)), Step(text="Slow report.")),
    "stop_blocks": (
        Step(text="Done, I think."),
        Step(text="Checked as asked.", tools=(bash("make check"),)),
        Step(text="Done for sure."),
    ),
    "error_400": (Step(always_fails=400),),
    "error_401": (Step(always_fails=401),),
    "error_429": (Step(always_fails=429),),
    "error_500": (Step(always_fails=500),),
    "error_529_after_read": (Step(tools=(read(),)), Step(always_fails=529)),
    "error_once": (Step(tools=(read(),)), Step(text="Fine after a retry.", errors=(529,))),
    "slow_tool": (
        Step(text="This will take a while.", tools=(read(),)),
        Step(tools=(SLEEP_LONG,)),
        Step(text="It was not interrupted."),
    ),
    "short_tool": (
        Step(text="A moment.", tools=(bash("sleep 3; echo slept"),)),
        Step(text="Slept."),
        Step(text="And the other thing."),
    ),
    "hanging": (Step(text="This stream stops in its middle.", hangs=True),),
    "bg_bash": (
        Step(tools=(bash("sleep 1; echo done", background=True),)),
        Step(text="It runs in the background."),
        Step(text="The command has finished."),
    ),
    "auto_compaction": (
        Step(tools=(read(),), tokens=MANY_TOKENS),
        Step(tools=(bash("echo before"),), tokens=MANY_TOKENS),
        Step(text="Not compacted."),
    ),
    "after_compaction": (
        Step(text="No reply was kept."),  # the client keeps the last reply beside the summary
        Step(tools=(bash("echo after"),)),
        Step(text="Finished after the compaction."),
    ),
    "command": (Step(tools=(read(),)), Step(text="The command is carried out.")),
    "skill": (
        Step(tools=(Tool("Skill", {"skill": "survey"}),)),
        Step(tools=(read(),)),
        Step(text="Surveyed by the book."),
    ),
    "subagent_long": (Step(tools=(agent("sub_long"),)), Step(text="Not interrupted.")),
    "background_long": (
        Step(tools=(agent("sub_long", background=True),)),
        Step(text="It works in the background."),
        Step(text="It is done."),
    ),
    "sub_long": (Step(tools=(read(), SLEEP_LONG)), Step(text="Long report.")),
    "nested_background": (
        Step(tools=(agent("sub_parent"),)),
        Step(text="The parent reported."),
        Step(text="The child reported too."),
    ),
    "sub_parent": (
        Step(tools=(agent("sub_slow", background=True),)),
        Step(text="Parent report: the child still works."),
        Step(text="Parent report: the child is done."),
    ),
    "worktree": (
        Step(tools=(Tool("ToolSearch", {"query": "select:EnterWorktree", "max_results": 2}),)),
        Step(tools=(Tool("EnterWorktree", {"name": "try"}),)),
        Step(tools=(bash("pwd"),)),
        Step(text="It works in the worktree."),
    ),
    "touch": (Step(tools=(bash("touch made_here"),)), Step(text="Made.")),
}
