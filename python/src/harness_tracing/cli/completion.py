"""`harness completion`: the script that makes a shell complete our commands."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options, session ids and projects.

    \b
    bash: harness completion bash > ~/.local/share/bash-completion/completions/harness
    zsh:  harness completion zsh > "${fpath[1]}/_harness"
    fish: harness completion fish > ~/.config/fish/completions/harness.fish
    """
    from click.shell_completion import get_completion_class

    made_by = get_completion_class(shell)
    assert made_by is not None
    root = ctx.find_root().command
    click.echo(made_by(root, {}, "harness", "_HARNESS_COMPLETE").source())
