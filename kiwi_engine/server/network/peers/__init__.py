"""What the network processes of one server tell and ask each other."""
