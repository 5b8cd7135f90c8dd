"""Places on the earth as scores of a sorted set (pure)."""
