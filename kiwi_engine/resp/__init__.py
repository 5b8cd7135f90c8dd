"""RESP2 and RESP3: parsing requests and encoding replies, without I/O."""
