"""The command line: one module per verb, with `add_parser(subparsers)` and `run(arguments)`."""
