"""Reading what a team's Phoenix server has, so that it is observed like the local store.

`phoenix` asks the server through its own client library (extra ``phoenix``), `turns` and `steps`
make turns of the spans it has, `load` puts them into a store of their own for the length of one
command, `export` gives the spans as they are. Only spans are there: what a span does not tell
(docs/export.md) is not known of a turn that was read back.
"""
