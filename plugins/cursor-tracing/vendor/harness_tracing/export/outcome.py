"""What came of sending a request: the backend's answer, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional

Verdict = Literal["delivered", "rejected", "too_large", "temporary", "misdirected", "refused"]
# A backend may ask for more patience than this, but nobody would wait that long for it.
LONGEST_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True)
class Outcome:
    """The answer to one request, as far as the sender's next step depends on it.

    - ``delivered``: a 2xx (gRPC OK) without a rejection.
    - ``rejected``: the backend read the request and will not take `rejected_spans` of its spans
      (None: not said how many; all of them as far as is known), also when they are sent again.
    - ``too_large``: the same spans in smaller requests may pass.
    - ``temporary``: the same request may pass later, not before `retry_after_s` if given.
    - ``misdirected``: an answer no OTLP receiver gives (redirect, 404, a web page): the
      endpoint is wrong, or somebody stands in front of it. Kept, and tried again seldom.
    - ``refused``: the credentials are not accepted (401, 403): nobody should try on.

    `reason` is one line for a person, without any credential: what was answered by whom.
    """

    verdict: Verdict
    reason: str = ""
    retry_after_s: Optional[float] = None
    rejected_spans: Optional[int] = None
