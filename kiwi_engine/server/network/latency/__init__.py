"""What was slow, and when: SLOWLOG, LATENCY and the percentiles of INFO."""
