"""The seam to the disk: a `File` / `FileSystem` protocol and its POSIX implementation."""
