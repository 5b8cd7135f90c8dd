"""One connection as a line of `CLIENT LIST` (pure).

The fields are those of Redis 7.2 as far as their values are known here; memory that is not measured
is left out. `tot-net-in`, `tot-net-out` and `tot-cmds` are names that Valkey and Redis 8 use.
"""

from __future__ import annotations

from kiwi_engine.server.network.pubsub.registry import Kind
from kiwi_engine.server.network.session import Session


def client_line(session: Session, now_ns: int, buffers: tuple[int, int]) -> bytes:
    """The line without its end; `buffers` as `ServerFacade.buffers` tells them."""
    fields: list[tuple[str, object]] = [
        ("id", session.id),
        ("addr", session.address),
        ("laddr", session.local_address),
        ("fd", session.file_descriptor),
        ("name", session.name.decode()),
        ("age", (now_ns - session.created_ns) // 1_000_000_000),
        ("idle", (now_ns - session.last_interaction_ns) // 1_000_000_000),
        ("flags", _flags(session)),
        ("db", session.db),
        *_subscriptions(session),
        ("multi", -1 if session.transaction is None else len(session.transaction.commands)),
        ("qbuf", buffers[0]),
        ("multi-mem", 0 if session.transaction is None else session.transaction.bytes),
        ("omem", buffers[1]),
        ("cmd", session.last_command),
        ("user", session.user),
        ("redir", -1 if session.tracking is None else session.tracking.redirect),
        ("resp", 3 if session.resp3 else 2),
        ("lib-name", session.library_name.decode()),
        ("lib-ver", session.library_version.decode()),
        ("tot-net-in", session.input_bytes),
        ("tot-net-out", session.output_bytes),
        ("tot-cmds", session.commands_count),
    ]
    return " ".join(f"{name}={value}" for name, value in fields).encode()


def _subscriptions(session: Session) -> list[tuple[str, object]]:
    names = {} if session.subscriptions is None else session.subscriptions.names
    kinds = ("sub", Kind.CHANNEL), ("psub", Kind.PATTERN), ("ssub", Kind.SHARD_CHANNEL)
    return [(field, len(names.get(kind, ()))) for field, kind in kinds]


def _flags(session: Session) -> str:
    """O: monitors, P: has subscriptions, x: in MULTI, b: waits, t, R, B: tracks keys, d: what it
    watches has changed, c: closes after its replies, U: over a Unix socket, e: protected from
    eviction, T: leaves access times alone; N: none of them.
    """
    mode = session.tracking
    flags = (
        ("O", session.is_monitor),
        ("P", session.subscriptions is not None),
        ("x", session.transaction is not None),
        ("b", session.is_blocked),
        ("t", mode is not None),
        ("R", mode is not None and mode.is_redirect_broken),
        ("B", mode is not None and mode.is_broadcast),
        ("d", session.watching.is_broken),
        ("c", session.close_after_reply),
        ("U", session.is_unix),
        ("e", session.no_evict),
        ("T", session.no_touch),
    )
    return "".join(letter for letter, is_set in flags if is_set) or "N"
