"""INFO: what the network runtime knows, and what the storage runtime answers (glue).

Every value is measured or set by someone; what is not known is left out. While the storage runtime
does not answer, INFO still tells everything else and, in `storage_error`, why.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from typing import Any, Final

from kiwi_engine.acl.permission import Reason
from kiwi_engine.clock import monotonic_ns, wall_us
from kiwi_engine.errors import KiwiError
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.compatibility import REDIS_VERSION, ROLE, SERVER_MODE
from kiwi_engine.server.network.local.contribution import Contributions, contributions
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.local.info_text import (
    Sections,
    command_fields,
    error_fields,
    format_sections,
    latency_fields,
    merge,
    wants,
)
from kiwi_engine.server.network.local.process_facts import (
    ProcessFacts,
    process_facts,
    total_facts,
)
from kiwi_engine.server.network.pubsub.registry import Kind
from kiwi_engine.server.network.session import Session

# A storage runtime that was silent lately may answer all the same.
_PATIENCE_S: Final = 0.1
_DAY_SECONDS: Final = 86_400
# Fields of storage's answer that are counters to be added to those of this runtime.
_COUNTED: Final = ("commandstats", "errorstats")
# There the storage runtime tells counts of buckets.
_LATENCY: Final = "latencystats"


async def info(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    requested = [word.decode("utf-8", "surrogateescape").lower() for word in arguments[1:]]
    sections = await collect(facade, session)
    chosen = {name: fields for name, fields in sections.items() if wants(requested, name)}
    return reply.verbatim(session.resp3, format_sections(chosen))


async def collect(facade: ServerFacade, session: Session) -> Sections:
    """All sections of INFO, as `session` may see them."""
    storage: Sections = {}
    problem = ""
    try:
        storage = await _storage_sections(facade, session)
    except KiwiError as error:
        problem = str(error)
    all_parts = await contributions(facade)
    network = merge(network_sections(facade, all_parts), _own_sections(facade, all_parts))
    if problem:
        network["server"]["storage_error"] = problem
    own = {name: fields for name, fields in storage.items() if name not in _COUNTED}
    if facade.config.get("latency-tracking") == "yes":
        percents = [float(word) for word in _percentiles(facade)]
        counts = all_parts.latency_counts | own.pop(_LATENCY, {})
        own[_LATENCY] = latency_fields(counts, percents)
    else:
        own.pop(_LATENCY, None)
    commands = [each.commands for each in all_parts.parts]
    errors = [each.errors for each in all_parts.parts]
    counted = {
        "commandstats": command_fields([*commands, storage.get("commandstats", {})]),
        "errorstats": error_fields([*errors, storage.get("errorstats", {})]),
    }
    return merge(network, own, counted)


def _own_sections(facade: ServerFacade, all_parts: Contributions) -> Sections:
    """The sections that the network runtime owns as a whole, of all its processes."""
    sections = {**facade.network_sections(), "channel": all_parts.channel}
    if "tls" in sections:
        sections["tls"] |= all_parts.handshakes
    return sections


async def _storage_sections(facade: ServerFacade, session: Session) -> Sections:
    """What the storage runtime tells; `KiwiError` soon after it has begun not to answer."""
    answer = asyncio.ensure_future(facade.storage_facts(session))
    try:
        while not answer.done():
            await asyncio.wait({answer}, timeout=_PATIENCE_S)
            problem = facade.lifecycle.storage_problem()
            if problem and not answer.done():
                raise KiwiError(problem)
        sections: Sections = answer.result()
        return sections
    finally:
        answer.cancel()


def _percentiles(facade: ServerFacade) -> list[str]:
    return facade.config.get("latency-tracking-info-percentiles").split()


def network_sections(facade: ServerFacade, all_parts: Contributions) -> Sections:
    """The sections, or parts of them, that need no answer of the storage runtime."""
    facts = facade.facts
    network = total_facts([facts.network_process_id, *facade.lifecycle.worker_process_ids()])
    storage: ProcessFacts | None = None
    if facts.storage_process_id not in (None, facts.network_process_id):
        storage = process_facts(facts.storage_process_id or 0)
    return {
        "server": _server(facade),
        "clients": _clients(facade, all_parts),
        "memory": _memory(facade, network, storage),
        "stats": _stats(facade, all_parts),
        "replication": {"role": ROLE, "connected_slaves": 0},
        "cpu": _cpu(network, storage),
        "cluster": {"cluster_enabled": 0},
    }


def _server(facade: ServerFacade) -> dict[str, Any]:
    facts = facade.facts
    uptime_seconds = (monotonic_ns() - facts.started_ns) // 1_000_000_000
    fields: dict[str, Any] = {
        "redis_version": REDIS_VERSION,
        "kiwi_version": facts.kiwi_version,
        "redis_mode": SERVER_MODE,
        "runtime_mode": facts.runtime_mode,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "arch_bits": 64 if sys.maxsize > 2**32 else 32,
        "python_version": platform.python_version(),
        "process_id": facts.process_id,
        "network_process_id": facts.network_process_id,
    }
    if facts.storage_process_id is not None:
        fields["storage_process_id"] = facts.storage_process_id
    return fields | {
        "run_id": facts.run_id,
        "tcp_port": int(facade.config.get("port")) or int(facade.config.get("tls-port")),
        "server_time_usec": wall_us(),
        "uptime_in_seconds": uptime_seconds,
        "uptime_in_days": uptime_seconds // _DAY_SECONDS,
        "hz": facade.config.get("hz"),
        "executable": facts.executable,
        "config_file": facts.config_file,
    }


def _clients(facade: ServerFacade, all_parts: Contributions) -> dict[str, Any]:
    return {
        **_chosen(
            all_parts.sums,
            *("connected_clients", "blocked_clients", "tracking_clients", "pubsub_clients"),
        ),
        "maxclients": facade.config.get("maxclients"),
        **all_parts.maxima,
    }


def _chosen(fields: dict[str, int], *names: str) -> dict[str, int]:
    return {name: fields[name] for name in names}


def _memory(
    facade: ServerFacade, network: ProcessFacts | None, storage: ProcessFacts | None
) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    known = [each for each in (network, storage) if each is not None]
    if known:
        fields["used_memory_rss"] = sum(each.resident_bytes for each in known)
    if network is not None:
        fields["network_memory_rss"] = network.resident_bytes
        fields["network_memory_rss_peak"] = network.resident_bytes_peak
    if storage is not None:
        fields["storage_memory_rss"] = storage.resident_bytes
        fields["storage_memory_rss_peak"] = storage.resident_bytes_peak
    fields["memory_budget"] = facade.config.get("memory")
    fields["maxmemory"] = facade.config.get("maxmemory")
    fields["maxmemory_policy"] = facade.config.get("maxmemory-policy")
    return fields


def _stats(facade: ServerFacade, all_parts: Contributions) -> dict[str, Any]:
    sums, rates, exchange = all_parts.sums, all_parts.rates, facade.exchange
    return {
        **_chosen(sums, "total_connections_received", "total_commands_processed"),
        "instantaneous_ops_per_sec": round(rates["commands"]),
        **_chosen(sums, "total_net_input_bytes", "total_net_output_bytes"),
        "instantaneous_input_kbps": f"{rates['input_bytes'] / 1024:.2f}",
        "instantaneous_output_kbps": f"{rates['output_bytes'] / 1024:.2f}",
        **_chosen(
            sums,
            "rejected_connections",
            "client_query_buffer_limit_disconnections",
            "client_output_buffer_limit_disconnections",
            "protocol_errors",
        ),
        "acl_access_denied_auth": facade.acl.log.counts[Reason.AUTH],
        "acl_access_denied_cmd": facade.acl.log.counts[Reason.COMMAND],
        "acl_access_denied_key": facade.acl.log.counts[Reason.KEY],
        "acl_access_denied_channel": facade.acl.log.counts[Reason.CHANNEL],
        "tracking_total_prefixes": len(all_parts.prefixes),
        "pubsub_channels": len(exchange.names(Kind.CHANNEL)),
        "pubsub_patterns": len(exchange.names(Kind.PATTERN)),
        "pubsubshard_channels": len(exchange.names(Kind.SHARD_CHANNEL)),
    }


def _cpu(network: ProcessFacts | None, storage: ProcessFacts | None) -> dict[str, Any]:
    known = [each for each in (network, storage) if each is not None]
    if not known:
        return {}
    fields = {
        "used_cpu_sys": f"{sum(each.system_seconds for each in known):.6f}",
        "used_cpu_user": f"{sum(each.user_seconds for each in known):.6f}",
    }
    for name, each in (("network", network), ("storage", storage)):
        if each is not None:
            fields[f"{name}_cpu_sys"] = f"{each.system_seconds:.6f}"
            fields[f"{name}_cpu_user"] = f"{each.user_seconds:.6f}"
    return fields


HANDLERS: Final[dict[str, Handler]] = {"info": info}
