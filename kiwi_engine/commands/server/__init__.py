"""The commands on databases, server and connection (pure)."""
