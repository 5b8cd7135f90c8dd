"""The codecs of RDB payloads."""
