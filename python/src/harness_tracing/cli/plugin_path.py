"""`harness plugin-path`: a plugin folder for programs that start Claude Code themselves."""

from __future__ import annotations

import click

from harness_tracing.cli.edge import Edge, pass_edge


@click.command("plugin-path")
@pass_edge
def plugin_path(edge: Edge) -> None:
    """Print the folder of a plugin with this installation's hooks for Claude Code.

    For the Claude Agent SDK in TypeScript, and for `claude --plugin-dir "$(harness plugin-path)"`.
    Made if it is not there; it stays the same for the same installation.
    """
    from harness_tracing.claude_agent_sdk import plugin_folder

    click.echo(str(plugin_folder(edge.environ)))
