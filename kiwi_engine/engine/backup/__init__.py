"""Checkpoints of a running engine, and the backups that are made of them."""
