"""Commands: one module a family; a command is a table row and a function."""
