"""A model as judge: a question with choices in, one of the choices out, or why not.

`answers` knows the choices and what counts as an answer, `asking` what is asked and what comes
back, `integrations` which provider config.yaml means; the providers (`openai_api`,
`anthropic_api`, `claude_code`, `codex`) put a question over the wire and nothing else; `run`
retries, counts, caches and stops in time.

The verdict is read from the structured answer alone. Nothing that a model could do anything
with is offered to it.
"""
