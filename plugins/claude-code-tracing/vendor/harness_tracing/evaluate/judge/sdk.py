"""What both official SDKs have in common: how they fail, and how a body is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Optional

from harness_tracing.evaluate.judge.asking import ProviderError

_FATAL = (401, 403, 404)
_SHOWN = 300


def body_of(call: Callable[[], Any], sdk: Any, where: str) -> Mapping[str, Any]:
    """The JSON object that a call of the SDK (with_raw_response) got; raises ProviderError.

    `sdk` is the module, whose exceptions are told apart; `where` names the endpoint.
    """
    try:
        text = call().http_response.text
    except sdk.APITimeoutError:
        raise ProviderError(
            "timeout",
            f"{where} did not answer in time; raise timeout_s of the integration",
            retry=True,
            billed=True,
        ) from None
    except sdk.APIConnectionError as error:
        reason = str(error.__cause__ or error)
        raise ProviderError(
            "connection", f"{where} cannot be reached: {reason}; check base_url", retry=True
        ) from None
    except sdk.APIStatusError as error:
        raise _refused(error, where) from None
    except sdk.APIError as error:
        message = f"{where} gave an answer that cannot be read: {error}; check base_url"
        raise ProviderError("malformed", message, retry=True, billed=True) from None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise ProviderError(
            "malformed",
            f"{where} answered something that is no JSON object; check base_url",
            retry=True,
            billed=True,
        )
    return found


def _refused(error: Any, where: str) -> ProviderError:
    status = int(error.status_code)
    said = f"{where} answered {status}: {str(error.message)[:_SHOWN]}"
    wait_s = _retry_after_s(error.response.headers)
    if status == 429:
        what = "lower the concurrency, or run it again later"
        return ProviderError("rate_limit", f"{said}; {what}", retry=True, retry_after_s=wait_s)
    if status >= 500 or status in (408, 409):
        message = f"{said}; run it again later"
        return ProviderError("server", message, retry=True, retry_after_s=wait_s)
    what = {
        401: "check the variable that api_key_env names",
        403: "check what the key may do",
        404: "check model and base_url",
    }.get(status, "check model and structured of the integration, and the length of the prompt")
    return ProviderError("rejected", f"{said}; {what}", fatal=status in _FATAL)


def _retry_after_s(headers: Mapping[str, str]) -> Optional[float]:
    """What Retry-After says in seconds; a date counts from the answer's own Date."""
    said = headers.get("retry-after")
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        since = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (parsedate_to_datetime(said) - since).total_seconds())
    except (TypeError, ValueError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, none of anything else."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def count(value: Any) -> Optional[int]:
    """A count of tokens, None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(value: Any) -> Optional[str]:
    """A text, None where it is none."""
    return value if isinstance(value, str) else None
