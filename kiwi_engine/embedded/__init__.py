"""The embedded API: the engine inside a program of one's own, without a server (glue)."""
