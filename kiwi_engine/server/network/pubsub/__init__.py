"""Channels, their subscribers, and the messages that these get."""
