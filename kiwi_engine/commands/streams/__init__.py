"""The stream commands (pure)."""
