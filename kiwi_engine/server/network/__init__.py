"""The network runtime: connections, and what it answers by itself."""
