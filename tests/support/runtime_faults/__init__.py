"""The faults of scripts/runtime_faults.py: each is made on a real server, and judged."""
