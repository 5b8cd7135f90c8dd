"""Making a data directory of a backup, and of the log that was archived since."""
