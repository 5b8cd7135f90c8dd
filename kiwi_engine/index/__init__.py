"""The sorted state on disk: the only package that imports rocksdict."""
