"""Strings in a database, also large ones in pages (pure)."""
