"""From start to orderly stop: the supervisor, and the ways to a storage runtime."""
