"""Parts of the package that not everybody installs. A leaf."""

from __future__ import annotations

from importlib.util import find_spec

from harness_tracing.errors import TracerError

_WHAT_FOR = {
    "phoenix": ("`--from phoenix`", "arize-phoenix-client"),
    "plot": ("`harness stats --plot`", "matplotlib"),
}


class ExtraMissing(TracerError):  # noqa: N818 - says what is the case
    """A command needs an extra that is not installed; the message says how to get it."""


def need(extra: str, module: str) -> None:
    """Nothing when `module`, which comes with `extra`, is there; else raises ExtraMissing."""
    if _is_there(module):
        return
    command, distribution = _WHAT_FOR.get(extra, ("this command", module))
    raise ExtraMissing(f"{command} needs {distribution}: harness extra install {extra}")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor what it is a part of
        return False
