"""Values in Redis' RDB format, as DUMP writes and RESTORE reads them (pure codecs)."""
