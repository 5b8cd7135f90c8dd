"""Kiwi Engine: a durable, disk-sized, Redis-compatible storage server."""

from kiwi_engine.version import VERSION

__version__ = VERSION
