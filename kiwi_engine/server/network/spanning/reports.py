"""What workers tell the primary, which keeps it for all processes (glue: event loop).

SLOWLOG, LATENCY (but for HISTOGRAM) and ACL LOG are the primary's; workers have empty ones
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kiwi_engine.acl.log import LoggedDenial
from kiwi_engine.channel.numbering import PRIMARY
from kiwi_engine.server.network.access_control import AccessControl
from kiwi_engine.server.network.latency.recorder import LatencyRecorder
from kiwi_engine.server.network.peers.peers import Peers

_DENIED: Final = "denied"
_SLOW: Final = "slow"
_SPIKE: Final = "spike"


def gather_reports(peers: Peers, acl: AccessControl, latency: LatencyRecorder) -> None:
    """In the primary: take what workers tell. In a worker: tell it, instead of keeping it."""
    if peers.is_primary:

        def denied(parameters: Any) -> None:
            acl.log_denial(msgspec.convert(parameters, LoggedDenial))

        peers.register(_DENIED, denied)
        peers.register(_SLOW, lambda parameters: latency.keep_slow(*parameters))
        peers.register(_SPIKE, lambda parameters: latency.keep_spike(*parameters))
    else:
        acl.keep_denial = lambda denial: peers.tell(_DENIED, denial, PRIMARY)
        latency.keep_slow = lambda *entry: peers.tell(_SLOW, entry, PRIMARY)
        latency.keep_spike = lambda *spike: peers.tell(_SPIKE, spike, PRIMARY)
