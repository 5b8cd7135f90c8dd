"""Clients that send more than may wait for its end, and are disconnected (shell).

`client-query-buffer-limit` bounds the memory of a command that is not complete, and that of the
commands which a transaction has queued. As in Redis the client is closed without a word.
"""

from __future__ import annotations

import logging

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.settings import Settings
from kiwi_engine.resp.request import Limits
from kiwi_engine.server.network.local.client_lines import client_line
from kiwi_engine.server.network.output_limits import Reader
from kiwi_engine.server.network.statistics import NetworkStatistics

logger = logging.getLogger(__name__)

# An MSET of inline values is one log record, whose payload may be 1 GiB long with its overhead.
_COMMAND_BYTES_MAX = 768 * 1024 * 1024
# Beside its one large argument, e.g. the key of a SET.
_COMMAND_OVERHEAD_BYTES = 1024 * 1024


def limits_for(settings: Settings, *, is_known: bool) -> Limits:
    """What a client may send; `is_known` says that it has logged in, where that is necessary."""
    bulk_bytes_max = settings.proto_max_bulk_len
    one_record_bytes = max(_COMMAND_BYTES_MAX, bulk_bytes_max + _COMMAND_OVERHEAD_BYTES)
    return Limits(
        bulk_bytes_max=bulk_bytes_max,
        command_bytes_max=min(settings.client_query_buffer_limit, one_record_bytes),
        authenticated=is_known,
    )


def end_for_query_limit(sender: Reader, statistics: NetworkStatistics) -> None:
    """Disconnect a client that has passed its limit."""
    line = client_line(sender.session, monotonic_ns(), sender.buffered_bytes())
    text = line.decode("utf-8", "replace")
    logger.warning("a client sends too much at once, its query buffer limit ends it: %s", text)
    statistics.query_limit_disconnections += 1
    sender.abort()
