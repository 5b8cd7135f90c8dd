"""The commands on keys of every type (pure)."""
