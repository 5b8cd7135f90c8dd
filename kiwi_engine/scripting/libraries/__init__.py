"""Libraries of scripts, written in Lua (pure)."""
