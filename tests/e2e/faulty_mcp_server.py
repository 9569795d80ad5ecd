"""An MCP server over stdio whose tools answer, fail, hang or take the server down."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

TOOLS = ("lookup", "fail", "hang", "die")


def answer(request: dict[str, Any], result: dict[str, Any]) -> None:
    """Send the result of a request."""
    reply = {"jsonrpc": "2.0", "id": request["id"], "result": result}
    print(json.dumps(reply), flush=True)


def call(request: dict[str, Any], name: str) -> None:
    """Do what the tool of that name is for."""
    if name == "hang":
        time.sleep(3)
    elif name == "die":
        os._exit(1)
    else:
        failed = name == "fail"
        text = "no such price" if failed else "10 %"
        answer(request, {"content": [{"type": "text", "text": text}], "isError": failed})


def main() -> None:
    """Serve until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        method, params = request.get("method"), request.get("params") or {}
        if method == "initialize":
            server = {"name": "pricing", "version": "1"}
            version = params["protocolVersion"]
            capabilities = {"capabilities": {"tools": {}}, "serverInfo": server}
            answer(request, {"protocolVersion": version, **capabilities})
        elif method == "tools/list":
            schema = {"type": "object", "properties": {}}
            tools = [{"name": n, "description": n, "inputSchema": schema} for n in TOOLS]
            answer(request, {"tools": tools})
        elif method == "tools/call":
            call(request, params["name"])
        elif "id" in request:
            answer(request, {})


main()
