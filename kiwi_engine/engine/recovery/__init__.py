"""Opening a data directory: judge what is found, repair a torn tail, replay the log."""
