"""Client-side caching: which connections track what, and how they are told."""
