"""The storage runtime: executes what arrives on the channel, and keeps the engine going."""
