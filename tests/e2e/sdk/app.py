"""A program that uses the Claude Agent SDK, as its users write them: one function per way.

python app.py WAY [ARGUMENT]        prints what it saw as JSON
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Awaitable
from typing import Any

import anyio
import psutil
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookMatcher,
    ResultMessage,
    SystemMessage,
    ToolUseBlock,
    create_sdk_mcp_server,
    query,
    tool,
)
from opentelemetry.sdk.trace import TracerProvider

from harness_tracing.claude_agent_sdk import traced_options, tracing_hooks

COMMON = ClaudeAgentOptions(
    permission_mode="bypassPermissions", cli_path=os.environ.get("TEST_CLAUDE") or None
)


@tool("price", "The price of a thing", {"thing": str})
async def price(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": f"{arguments['thing']} costs 12"}]}


def seen(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": type(message).__name__}
    if isinstance(message, ResultMessage):
        found |= {"session_id": message.session_id, "result": message.result}
    if isinstance(message, SystemMessage) and message.subtype == "init":
        found |= {"subtype": "init", "data": message.data}
    return found


async def once(prompt: str, options: ClaudeAgentOptions) -> list[dict[str, Any]]:
    return [seen(message) async for message in query(prompt=prompt, options=options)]


async def one_shot(prompt: str) -> list[dict[str, Any]]:
    options = traced_options(COMMON, project="shop", user_id="ada", setting_sources=[])
    return await under_a_span(once(prompt, options))


async def under_a_span(work: Awaitable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A span of the program's own, which the SDK tells Claude Code of."""
    tracer = TracerProvider().get_tracer("app")
    with tracer.start_as_current_span("handle request") as span:
        found = await work
    context = span.get_span_context()
    ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    return [*found, {"type": "span", "context": ids}]


async def turns(*prompts: str, options: Any = None) -> list[dict[str, Any]]:
    found = []
    async with ClaudeSDKClient(options or traced_options(COMMON)) as client:
        for prompt in prompts:
            await client.query(prompt)
            found += [seen(message) async for message in client.receive_response()]
    return found


async def in_process(*prompts: str) -> list[dict[str, Any]]:
    hooks = tracing_hooks(env={"ARIZE_PROJECT_NAME": "shop"})
    options = ClaudeAgentOptions(**{**vars(COMMON), "hooks": hooks})
    return await under_a_span(turns(*prompts, options=options))


async def resumed(first: str, then: str) -> list[dict[str, Any]]:
    """The same session twice, each time in a Claude Code of its own."""
    hooks = tracing_hooks()
    found = await once(first, ClaudeAgentOptions(**{**vars(COMMON), "hooks": hooks}))
    again = {"hooks": hooks, "resume": found[-1]["session_id"]}
    return [*found, *await once(then, ClaudeAgentOptions(**{**vars(COMMON), **again}))]


async def interrupt(first: str, then: str) -> list[dict[str, Any]]:
    found = []
    async with ClaudeSDKClient(traced_options(COMMON)) as client:
        await client.query(first)
        async for message in client.receive_response():
            found.append(seen(message))
            if isinstance(message, AssistantMessage) and _runs_bash(message):
                await anyio.sleep(0.5)  # until the tool runs
                await client.interrupt()
        await client.query(then)
        found += [seen(message) async for message in client.receive_response()]
    return found


async def own_mcp(prompt: str) -> list[dict[str, Any]]:
    server = create_sdk_mcp_server("shop", tools=[price])
    return await once(prompt, traced_options(COMMON, mcp_servers={"shop": server}))


async def dies(prompt: str) -> list[dict[str, Any]]:
    """Together with its Claude Code, while a tool runs, as a container does that is killed."""
    options = ClaudeAgentOptions(**{**vars(COMMON), "hooks": tracing_hooks()})
    async for message in query(prompt=prompt, options=options):
        if isinstance(message, AssistantMessage) and _runs_bash(message):
            await anyio.sleep(0.5)
            for child in psutil.Process().children():
                child.kill()
            os.kill(os.getpid(), signal.SIGKILL)
    return []


def _runs_bash(message: AssistantMessage) -> bool:
    tools = [block for block in message.content if isinstance(block, ToolUseBlock)]
    return any(block.name == "Bash" for block in tools)


async def keeps() -> list[dict[str, Any]]:
    """What becomes of options that have everything already."""

    async def guard(*_: Any) -> dict[str, Any]:
        return {}

    mine = ClaudeAgentOptions(
        plugins=[{"type": "local", "path": "/mine"}],
        env={"ARIZE_PROJECT_NAME": "mine", "OTHER": "1"},
        settings='{"model": "m"}',
        setting_sources=["project"],
        hooks={"Stop": [HookMatcher(hooks=[guard])]},
    )
    before = {**vars(mine), "plugins": list(mine.plugins), "env": dict(mine.env)}
    traced = traced_options(mine, project="other", user_id="ada")
    again = traced_options(traced)
    hooks = tracing_hooks(mine.hooks)
    return [
        {
            "untouched": vars(mine) == before and len(mine.hooks["Stop"]) == 1,
            "changed": sorted(n for n, v in vars(traced).items() if v != before[n]),
            "plugins": traced.plugins,
            "env": traced.env,
            "again": again == traced,
            "first_at_stop": hooks["Stop"][0] is mine.hooks["Stop"][0],
            "hooks": {event: len(matchers) for event, matchers in hooks.items()},
        }
    ]


WAYS = (one_shot, turns, in_process, resumed, interrupt, own_mcp, dies, keeps)

if __name__ == "__main__":
    way = {each.__name__: each for each in WAYS}[sys.argv[1]]
    answer = anyio.run(way, *sys.argv[2:], backend=os.environ.get("TEST_BACKEND", "asyncio"))
    print(json.dumps(answer))
