"""Whether config.yaml is understood, remembered: reading it takes longer than a whole list."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from harness_tracing import __version__
from harness_tracing.cli import quick
from harness_tracing.paths import Home

_NAME = "config"


def check_config(home: Home, environ: Mapping[str, str]) -> None:
    """Raises ConfigError when config.yaml is wrong: nothing is stored while it is."""
    if not home.config.exists():
        return
    path = home.status / _NAME
    fact = f"{quick.of_file(str(home.config))}\t{__version__}\t{__file__}"
    with suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == fact:
            return
    from harness_tracing import config

    config.load(environ)
    with suppress(OSError, UnicodeEncodeError):
        home.status.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_name(f"{_NAME}.{os.getpid()}")
        draft.write_text(fact, encoding="utf-8")
        draft.replace(path)
