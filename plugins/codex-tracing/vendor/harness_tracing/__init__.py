"""Tracing of coding agents: hooks in, a local store and OpenInference spans out."""

__version__ = "0.1.0"
