"""The server: two runtimes that know each other by their channel only, and their life cycle."""
