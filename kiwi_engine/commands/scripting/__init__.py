"""EVAL and its kin: scripts, and how they call commands."""
