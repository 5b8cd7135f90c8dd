"""The list commands (pure)."""
