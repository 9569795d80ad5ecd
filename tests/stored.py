"""Recordings in a store, as a worker leaves them there: read, redacted, priced, written."""

from __future__ import annotations

from pathlib import Path

from harness_tracing.prices import PriceTable, price_all
from harness_tracing.redact import Policy, redact_session, redact_turn
from harness_tracing.store import SessionChange, Store, TurnWrite
from harness_tracing.worker.pricing import total
from tests.recorded import play

TABLE = PriceTable.load()


def store_recording(store: Store, folder: Path, policy: Policy | None = None) -> list[str]:
    """Write the sessions of a recording; their ids."""
    policy = policy or Policy()
    played = play(folder)
    for collected in played.values():
        assert collected.session is not None
        writes = []
        for turn in collected.whole():
            priced = price_all(turn.steps, TABLE)
            final = turn.turn_id in collected.final
            clean = redact_turn(turn, policy)
            writes.append(TurnWrite(clean, final, total(priced), priced.unpriced))
        store.write(SessionChange(redact_session(collected.session, policy), tuple(writes)))
    return list(played)
