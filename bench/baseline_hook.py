"""What is measured beside our capture: a hook in Python that posts the event by itself.

The simple way to trace an agent: standard library only, one span per event, sent to a
collector on this machine that answers at once. A real backend only takes longer.
"""

import json
import os
import sys
import time
import urllib.request


def main() -> None:
    event = json.load(sys.stdin)
    now = time.time_ns()
    session = event.get("session_id") or os.environ.get("CLAUDE_CODE_SESSION_ID", "")
    values = {"session.id": session, "input.value": json.dumps(event)}
    span = {
        "traceId": os.urandom(16).hex(),
        "spanId": os.urandom(8).hex(),
        "name": event.get("hook_event_name", "event"),
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in values.items()],
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(os.environ["BENCH_COLLECTOR"], body, headers)
    urllib.request.urlopen(request, timeout=5).read()


main()
