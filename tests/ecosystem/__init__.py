"""Libraries that speak Redis, unchanged, each with a real flow."""
