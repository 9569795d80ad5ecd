"""The errors we raise. Their text says what happened, where, and what to do next."""

from __future__ import annotations


class TracerError(Exception):
    """The root of every error this package raises on purpose."""


class ConfigError(TracerError):
    """A setting is wrong; the message names the file or variable and what it may hold."""


class StoreError(TracerError):
    """The local store cannot be used: corrupt, newer than this version, or not writable."""


class NoStoreError(StoreError):
    """There is no local store yet, or it is being made at this moment."""


class StoreNewerError(StoreError):
    """The store was written by a newer version; that version has to be used."""


class FilterError(TracerError):
    """A filter expression cannot be understood; the message says which part and what is known."""


class BootstrapError(TracerError):
    """The isolated environment could not be built; the message says what to install."""


class RegistrationError(TracerError):
    """An agent's configuration cannot be edited safely; it was left as it is."""


class PackageMissingError(TracerError, ImportError):
    """A package that is no dependency of ours is not installed; the message says how to get it."""


class RemoteError(TracerError):
    """A team's server cannot be read; the message says why and holds no credential."""


class ImproveError(TracerError):
    """A proposal cannot be made, applied or taken back; no file was changed."""
