"""The string commands (pure)."""
