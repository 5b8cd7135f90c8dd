"""The set commands (pure)."""
