"""Hooks as they are put into a project: scripts for any Python 3.7, with nothing of ours in them.

They are modules here to be checked and tested like all other code; `improve.scripts` makes one
file of a hook and what it imports from `reading`.
"""
