"""The geo commands (pure)."""
