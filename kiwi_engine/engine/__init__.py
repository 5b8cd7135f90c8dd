"""The engine: write buffer over index, recovery, life cycle of one data directory."""
