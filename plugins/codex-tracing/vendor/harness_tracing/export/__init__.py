"""Sending finished spans to OTLP backends. Nothing in here knows the store or the agents.

Importing this package loads neither OpenTelemetry nor a network library.
"""
