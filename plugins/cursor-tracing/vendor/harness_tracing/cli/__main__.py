"""``python -m harness_tracing.cli`` is the `harness` command."""

from harness_tracing.cli import main

main()
