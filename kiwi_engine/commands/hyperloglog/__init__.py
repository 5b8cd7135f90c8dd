"""The HyperLogLog commands (pure)."""
