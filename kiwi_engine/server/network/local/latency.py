"""LATENCY (glue: asks the storage runtime for its histograms)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.clock import wall_us
from kiwi_engine.commands.registry import lookup
from kiwi_engine.commands.resolve import find
from kiwi_engine.errors import ReplyError
from kiwi_engine.histogram import cumulative
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.latency.doctor import report
from kiwi_engine.server.network.latency.graph import draw
from kiwi_engine.server.network.local.contribution import contributions
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.local.help import help_reply
from kiwi_engine.server.network.session import Session


def latest(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    monitor = facade.latency.monitor
    lines = []
    for event in monitor.events():
        last = monitor.samples(event)[-1]
        lines.append(
            reply.array(
                [
                    reply.bulk(event.encode()),
                    reply.integer(last.second),
                    reply.integer(last.milliseconds),
                    reply.integer(monitor.worst_ms(event)),
                ]
            )
        )
    return reply.array(lines)


def history(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    samples = facade.latency.monitor.samples(_text(arguments[2]))
    return reply.array(
        [
            reply.array([reply.integer(sample.second), reply.integer(sample.milliseconds)])
            for sample in samples
        ]
    )


def reset(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.integer(facade.latency.monitor.reset(list(map(_text, arguments[2:]))))


def graph(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    monitor, event = facade.latency.monitor, _text(arguments[2])
    samples = monitor.samples(event)
    if not samples:
        raise ReplyError(f"ERR No samples available for event '{event}'")
    picture = draw(event, samples, monitor.worst_ms(event), wall_us() // 1_000_000)
    return reply.verbatim(session.resp3, picture.encode())


def doctor(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.verbatim(session.resp3, report(facade.latency.monitor).encode())


async def histogram(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """The commands that were called, or those named; a container means its subcommands."""
    storage = await facade.query("stats", {})
    here = (await contributions(facade)).latency_counts
    counts: dict[str, list[int]] = here | storage["latencystats"]
    flat: list[bytes] = []
    for name in _names(arguments[2:], list(counts)):
        buckets = cumulative(counts[name])
        pairs = [
            part for bound, seen in buckets for part in (reply.integer(bound), reply.integer(seen))
        ]
        inner = [
            *(reply.bulk(b"calls"), reply.integer(buckets[-1][1])),
            *(reply.bulk(b"histogram_usec"), reply.mapping(session.resp3, pairs)),
        ]
        flat += (reply.bulk(name.encode()), reply.mapping(session.resp3, inner))
    return reply.mapping(session.resp3, flat)


def _names(wanted: list[bytes], known: list[str]) -> list[str]:
    if not wanted:
        return known
    names: list[str] = []
    for word in wanted:
        row = lookup(word)
        if row is not None:
            names += [name for name in known if name.partition("|")[0] == row.name]
        elif (found := find(word.split(b"|", 1))) is not None and found.name in known:
            names.append(found.name)
    return names


def help_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return help_reply("latency")


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


HANDLERS: Final[dict[str, Handler]] = {
    "latency|latest": latest,
    "latency|history": history,
    "latency|reset": reset,
    "latency|graph": graph,
    "latency|doctor": doctor,
    "latency|histogram": histogram,
    "latency|help": help_,
}
