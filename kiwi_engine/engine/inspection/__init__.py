"""Looking at a data directory without changing it, and verifying every byte of it."""
