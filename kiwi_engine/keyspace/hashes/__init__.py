"""Hashes in a database (pure)."""
