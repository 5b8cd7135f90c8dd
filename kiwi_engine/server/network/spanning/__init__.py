"""Commands that concern all network processes of a server."""
