"""The commands on the bits of a string (pure)."""
