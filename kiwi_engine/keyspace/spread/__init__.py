"""What all collections have in common (pure)."""
