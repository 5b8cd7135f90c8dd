"""Group commit: when a group closes, and the thread that makes it durable before its replies."""
