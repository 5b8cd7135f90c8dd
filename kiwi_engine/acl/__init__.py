"""Access control lists: who may call which commands on which keys and channels (pure)."""
