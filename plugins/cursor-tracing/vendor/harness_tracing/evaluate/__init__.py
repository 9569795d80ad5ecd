"""Judging what an agent did: by rules that need no model, and by models that are asked."""
