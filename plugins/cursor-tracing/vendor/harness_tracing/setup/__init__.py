"""`harness setup`: answers become changes of config.yaml, or of an agent's settings file.

`answers` says what can be answered, `plan` makes changes of it, `files` writes them; these know
neither terminal nor network. `earlier` reads another tracer's settings, `probe` asks a backend.
`wizard` and `terminal` are the edge: they ask a person.
"""
