"""Lists in a database (pure)."""
