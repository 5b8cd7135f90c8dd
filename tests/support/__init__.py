"""What tests, scripts and benchmarks share: real servers on free ports, and a raw RESP client."""
