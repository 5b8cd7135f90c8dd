"""The archived log: self-contained copies of durable records, for restoring up to any of them."""
