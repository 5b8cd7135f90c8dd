"""Streams in a database (pure)."""
