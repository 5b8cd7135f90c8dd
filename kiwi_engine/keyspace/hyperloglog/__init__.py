"""HyperLogLog sketches (pure)."""
