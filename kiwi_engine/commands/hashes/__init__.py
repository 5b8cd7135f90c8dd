"""The hash commands (pure)."""
