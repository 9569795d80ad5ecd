"""How long to wait before trying again."""

from __future__ import annotations

from typing import Optional

BASE_S = 1.0
LONGEST_S = 300.0


def delay_s(attempt: int, jitter: float, retry_after_s: Optional[float] = None) -> float:
    """Seconds until the next try after `attempt` failed ones (1 and more).

    Full jitter: `jitter`, a random number from 0 to 1, of a time that doubles from 1 s to
    5 min. What the backend asked for comes on top, since all who wait were told the same.
    """
    if attempt < 1:
        raise ValueError(f"{attempt} failed attempts are none to wait for")
    most = min(LONGEST_S, BASE_S * 2.0 ** min(attempt - 1, 30))
    return jitter * most + (retry_after_s or 0.0)
