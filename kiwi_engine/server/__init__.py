"""The two runtimes, their life cycle, and what the network runtime answers by itself."""
