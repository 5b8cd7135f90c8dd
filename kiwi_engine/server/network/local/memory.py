"""MEMORY STATS, DOCTOR, MALLOC-STATS and PURGE (glue).

Memory is that of the processes: values lie on the disk. Of the fields of Redis' MEMORY STATS there
are those that mean something here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kiwi_engine.resp import reply
from kiwi_engine.server.memory_release import release_memory
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.contribution import contributions
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.local.help import help_reply
from kiwi_engine.server.network.local.process_facts import ProcessFacts, process_facts
from kiwi_engine.server.network.session import Session

_MIB: Final = 1 << 20
# What the interpreter and its libraries take in each process, beside the budget.
_BASE_BYTES: Final = 96 * _MIB
_LARGE_BUFFER_BYTES: Final = 32 * _MIB


async def stats(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    flat: list[bytes] = []
    facts, _ = await _facts(facade)
    for name, value in facts.items():
        flat += (reply.bulk(name.encode()), _number(value, session.resp3))
    return reply.mapping(session.resp3, flat)


def _number(value: float, resp3: bool) -> bytes:
    if isinstance(value, int):
        return reply.integer(value)
    text = f"{value:.17g}".encode()
    return b",%b\r\n" % text if resp3 else reply.bulk(text)


async def _facts(facade: ServerFacade) -> tuple[dict[str, float], int]:
    """The fields of MEMORY STATS, and how many processes there are."""
    storage = await facade.query("stats", {})
    all_parts = await contributions(facade)
    processes = _processes(facade)
    keys = sum(database["keys"] for database in storage["keyspace"].values())
    rocksdb, commits = storage["rocksdb"], storage["commitworker"]
    on_disk = rocksdb["table_bytes"] + storage["valuelog"]["live_bytes"]
    resident = sum(process.resident_bytes for process in processes)
    caches = {
        "write.buffer": commits["write_buffer_bytes"],
        "read.cache": commits["clean_cache_bytes"],
        "index.block.cache": rocksdb["block_cache_bytes"],
        "index.memtables": rocksdb["memtable_bytes"],
    }
    fields = {
        "peak.allocated": sum(process.resident_bytes_peak for process in processes),
        "total.allocated": resident,
        "clients.normal": all_parts.client_bytes,
        **caches,
        "memory.budget": int(facade.config.get("memory")),
        "budget.percentage": 100 * sum(caches.values()) / int(facade.config.get("memory")),
        "keys.count": keys,
        "keys.bytes-per-key": on_disk // keys if keys else 0,
        "dataset.bytes": on_disk,
    }
    return fields, len(processes)


def _processes(facade: ServerFacade) -> list[ProcessFacts]:
    numbers = {facade.facts.network_process_id, facade.facts.storage_process_id or 0}
    numbers.update(facade.lifecycle.worker_process_ids())
    return [facts for number in numbers if (facts := process_facts(number)) is not None]


async def doctor(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.verbatim(session.resp3, diagnosis(*await _facts(facade)).encode())


def diagnosis(facts: Mapping[str, Any], processes: int) -> str:
    """What is unusual about memory, a line each; sizes in MiB."""
    found = []
    expected = facts["memory.budget"] + processes * _BASE_BYTES
    if facts["total.allocated"] > expected:
        found.append(
            f"The processes hold {facts['total.allocated'] // _MIB} MiB, more than the budget and "
            f"what the interpreter takes ({expected // _MIB} MiB): MEMORY PURGE returns what is "
            "free; large values or pipelines under way take the rest."
        )
    if facts["clients.normal"] > _LARGE_BUFFER_BYTES:
        found.append(
            f"Clients have {facts['clients.normal'] // _MIB} MiB of requests and replies under "
            "way: CLIENT LIST shows whose (qbuf, omem)."
        )
    if facts["write.buffer"] * 2 > facts["memory.budget"]:
        found.append(
            "The write buffer takes more than half of the budget: writes come faster than the "
            "index takes them. INFO backpressure tells more."
        )
    return "\n".join(found) or "Memory is as it should be."


def malloc_stats(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """What Redis answers without jemalloc."""
    return reply.bulk(b"Stats not supported for the current allocator")


async def purge(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    purge_share(facade, session, arguments)
    await facade.query("release_memory", {})
    return reply.OK


def purge_share(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """What a network process releases for itself."""
    release_memory()
    return reply.OK


def help_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return help_reply("memory")


HANDLERS: Final[dict[str, Handler]] = {
    "memory|stats": stats,
    "memory|doctor": doctor,
    "memory|malloc-stats": malloc_stats,
    "memory|purge": purge,
    "memory|help": help_,
}
