"""Sets in a database (pure)."""
