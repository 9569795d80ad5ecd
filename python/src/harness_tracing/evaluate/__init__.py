"""Judging what an agent did: rules that need no model, over the turns of the store."""
