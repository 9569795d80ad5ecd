"""`harness demo loop`: instrument, observe, evaluate, improve, on this machine, in a minute.

A small project is generated, an agent works on two tickets in it, and between them the loop is
walked with the same commands that a user types. The agent is the real Claude Code, answered by a
scripted model on this machine; without one, recordings of such sessions take its place.
"""
