"""Benchmarks: run by hand, results committed with machine and commit."""
