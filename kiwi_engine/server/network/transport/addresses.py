"""Which addresses a server takes, and how it gets from some to others (pure).

The words of `bind` are those of redis.conf: `*` is every IPv4 address, `::*` every IPv6 address,
and an address behind a `-` may be missing on this machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Literal, NamedTuple

from kiwi_engine.config.settings import Settings

Kind = Literal["tcp", "unix", "tls"]

# The numbers of the lines in INFO.
_NUMBERS: Final[dict[Kind, int]] = {"tcp": 0, "unix": 1, "tls": 2}
_OPTIONAL: Final = "-"
_EVERY_IPV4: Final = "*"
_EVERY_IPV6: Final = "::*"


class Address(NamedTuple):
    """One place to listen. `word` is a word of `bind`, or the path of a Unix socket."""

    kind: Kind
    word: str
    port: int = 0

    @property
    def is_optional(self) -> bool:
        """Whether the server does without it where the machine has no such address."""
        return self.kind != "unix" and self.word.startswith(_OPTIONAL)

    @property
    def host(self) -> str | None:
        """The address or name to take; None means every address."""
        host = self.word.removeprefix(_OPTIONAL)
        return None if host in (_EVERY_IPV4, _EVERY_IPV6) else host

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.word

    def __str__(self) -> str:
        if self.kind == "unix":
            return self.word
        shown = endpoint(self.word.removeprefix(_OPTIONAL), self.port)
        return f"{shown} (TLS)" if self.kind == "tls" else shown


def endpoint(host: str, port: int) -> str:
    """`host:port`, or `[host]:port` for IPv6, as Redis writes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def addresses_of(settings: Settings) -> list[Address]:
    """All that `settings` want, each once; there may be none."""
    ports: tuple[tuple[Kind, int], ...] = (("tcp", settings.port), ("tls", settings.tls_port))
    found = [Address(kind, word, port) for kind, port in ports if port for word in settings.bind]
    if settings.unixsocket:
        found.append(Address("unix", settings.unixsocket))
    return list(dict.fromkeys(found))


def clash(one: Address, other: Address) -> bool:
    """Whether a process cannot listen on both, because what comes to one comes to the other."""
    if "unix" in (one.kind, other.kind) or (one.port, one.is_ipv6) != (other.port, other.is_ipv6):
        return False
    return one.host == other.host or None in (one.host, other.host)


class Change(NamedTuple):
    """The way from one set of addresses to another.

    An address of `close_first` has the port of one of `take`, which may not be free before.
    `close_last` are kept until everything else has succeeded.
    """

    close_first: list[Address]
    take: list[Address]
    close_last: list[Address]


def change(held: Collection[Address], wanted: Sequence[Address]) -> Change:
    """What to do; addresses in both are left alone."""
    take = [address for address in wanted if address not in held]
    ports = {address.port for address in take}
    dropped = [address for address in held if address not in wanted]
    return Change(
        [address for address in dropped if address.port in ports],
        take,
        [address for address in dropped if address.port not in ports],
    )


def listener_lines(held: Iterable[Address]) -> dict[str, str]:
    """The lines `listener0` and so on of INFO: one for each kind, as Redis 7.2 writes them."""
    lines = {}
    for kind, number in _NUMBERS.items():
        of_kind = [address for address in held if address.kind == kind]
        if of_kind:
            parts = [f"name={kind}", *(f"bind={address.word}" for address in of_kind)]
            if of_kind[0].port:
                parts.append(f"port={of_kind[0].port}")
            lines[f"listener{number}"] = ",".join(parts)
    return lines
