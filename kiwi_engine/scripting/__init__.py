"""Lua scripts and functions."""
