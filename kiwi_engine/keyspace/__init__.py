"""Databases, keys, values and expiry over an ordered store of bytes."""
