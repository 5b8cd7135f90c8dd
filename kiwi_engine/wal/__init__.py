"""The commit log: one checksummed record per group, in preallocated, recycled segments."""
