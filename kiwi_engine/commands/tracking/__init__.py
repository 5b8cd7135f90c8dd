"""Client-side caching: what the storage runtime remembers of it (pure)."""
