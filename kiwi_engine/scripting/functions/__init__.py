"""Libraries of functions: what they are, and how they are kept and run (pure)."""
