"""The network runtime's end of the channel: what waits, what is under way, and what is given up."""

from kiwi_engine.server.network.storage_client.client import Link, StorageClient

__all__ = ["Link", "StorageClient"]
