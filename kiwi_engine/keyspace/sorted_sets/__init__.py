"""Sorted sets in a database (pure)."""
