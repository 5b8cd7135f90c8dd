"""The sorted set commands (pure)."""
