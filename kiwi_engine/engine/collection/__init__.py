"""Garbage collection of the value log: which segment, what is live in it, when it may go."""
