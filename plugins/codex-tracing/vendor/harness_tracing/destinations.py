"""Where turns are sent: what the outbox may know of a destination, and what only memory may.

A :class:`Target` names a destination without any secret: outbox rows and files hold it. A
:class:`Destination` adds what is needed to talk to it, for as long as a process lives.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Optional

Kind = Literal["ax", "phoenix", "otlp"]
Protocol = Literal["http", "grpc"]
Shape = Literal["turns", "calls"]
_AX_HOST = re.compile(r"https://otlp\.([a-z0-9-]+\.)?arize\.com[:/]")


@dataclass(frozen=True)
class Target:
    """A destination as an outbox row names it: nothing in here is secret.

    `endpoint` is the full URL that requests go to: with ``http`` it ends in the path of the
    traces signal (``https://otlp.arize.com/v1/traces``), with ``grpc`` it has none
    (``https://otlp.arize.com:443``; ``http`` there means no TLS). It never holds a user, a
    password or a query. `space` tells apart what lies behind one endpoint (AX: the space id);
    empty where there is nothing to tell apart. `project` is the name turns are filed under.
    The switches hide content that is stored here from this destination; they never show more.
    `stream`: finished steps go out while their turn still runs (shape ``calls`` only).
    """

    kind: Kind
    endpoint: str
    project: str
    space: str = ""
    protocol: Protocol = "http"
    shape: Shape = "turns"
    log_prompts: bool = True
    log_tool_details: bool = True
    log_tool_content: bool = True
    stream: bool = False

    @property
    def account(self) -> tuple[str, str, str]:
        """What credentials belong to: kind, endpoint and space."""
        return self.kind, self.endpoint, self.space

    @property
    def annotator_kinds(self) -> tuple[str, ...]:
        """Whose verdicts on turns can follow them there; none where no way is known.

        Phoenix takes all by its REST API, Arize AX by its own those of people. The address of
        such an API is known of a server that is spoken HTTP with, and of AX's own hosts.
        """
        if self.kind == "phoenix" and self.endpoint.endswith("/v1/traces"):
            return ("CODE", "HUMAN", "LLM")
        if self.kind == "ax" and _AX_HOST.match(self.endpoint):
            return ("HUMAN",)
        return ()

    @property
    def title(self) -> str:
        """How messages name it, such as ``phoenix at http://localhost:6006/v1/traces``."""
        space = f" (space {self.space})" if self.space else ""
        return f"{self.kind} at {self.endpoint}{space}"


@dataclass(frozen=True)
class Destination:
    """A target with what it takes to reach it.

    `name` is the user's name for it (``ax``, ``phoenix``, ``otlp`` or a key of config.yaml).
    `headers` go with every request and are secret; they include the credentials. `proxy` is
    the URL of the proxy to use for this endpoint, None for a direct connection. `certificate`
    is a file of CA certificates to trust instead of the system's. `annotations`: verdicts on
    turns that were sent there follow them.
    """

    name: str
    target: Target
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: Optional[str] = field(default=None, repr=False)
    certificate: Optional[Path] = None
    timeout_s: float = 10.0
    annotations: bool = True

    @property
    def fingerprint(self) -> str:
        """Tells whether the credentials are those that were refused before; reveals nothing.

        48 bits of a keyed hash: enough to see a change, no help in finding a key.
        """
        told = "\n".join(f"{name.lower()}={text}" for name, text in sorted(self.headers.items()))
        keyed = hmac.new("\n".join(self.target.account).encode(), told.encode(), hashlib.sha256)
        return keyed.hexdigest()[:12]
