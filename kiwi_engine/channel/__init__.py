"""The bounded channel between the network runtime and the storage runtime."""
