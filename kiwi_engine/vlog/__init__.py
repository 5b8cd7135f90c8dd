"""The value log: large values, written once, before the log record that points to them."""
