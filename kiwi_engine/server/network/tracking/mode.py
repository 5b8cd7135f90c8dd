"""How one connection tracks the keys that it may have cached (pure).

`options_of` reads what CLIENT TRACKING is asked for, `check` says whether the connection may go
over to that. The errors, and their order, are those of Redis 7.2 (`clientCommand`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Final

import msgspec

from kiwi_engine.commands.arguments import SYNTAX, integer
from kiwi_engine.errors import ReplyError

_ONLY_WHEN_OFF: Final = (
    "before disabling tracking for this client, and then re-enabling it with a different mode."
)
_FLAGS: Final = (b"bcast", b"optin", b"optout", b"noloop")


class TrackingOptions(msgspec.Struct, frozen=True):
    """What follows ON or OFF. `redirect` is the number of a connection, 0: none."""

    redirect: int = 0
    prefixes: tuple[bytes, ...] = ()
    is_broadcast: bool = False
    opts_in: bool = False
    opts_out: bool = False
    no_loop: bool = False


class TrackingMode:
    """The state of a connection that tracks; owned by its session.

    `opts_in`: only what is read behind CLIENT CACHING YES is remembered, `opts_out`: all but what
    is read behind CLIENT CACHING NO. `is_caching`: one of these was given, for the next command.
    `no_loop`: not to be told of changes of its own. `redirect`: who is told instead, 0: itself;
    `is_redirect_broken`: there was nobody to be told.
    """

    __slots__ = (
        "is_broadcast", "is_caching", "is_redirect_broken", "no_loop", "opts_in", "opts_out",
        "prefixes", "redirect",
    )  # fmt: skip

    def __init__(self) -> None:
        self.redirect = 0
        self.is_broadcast = False
        self.opts_in = False
        self.opts_out = False
        self.no_loop = False
        self.is_caching = False
        self.is_redirect_broken = False
        # Those of a connection that tracks by prefixes; the empty one is of all keys.
        self.prefixes: set[bytes] = set()

    def apply(self, options: TrackingOptions) -> None:
        """Go over to `options`, which were checked; prefixes come on top of those there are."""
        self.redirect = options.redirect
        self.is_broadcast = options.is_broadcast
        self.opts_in = options.opts_in
        self.opts_out = options.opts_out
        self.no_loop = options.no_loop
        self.is_redirect_broken = False
        if options.is_broadcast:
            self.prefixes.update(options.prefixes or (b"",))

    @property
    def remembers(self) -> bool:
        """Whether the keys that the next command reads are to be remembered."""
        if self.is_broadcast:
            return False
        return self.is_caching if self.opts_in else not (self.opts_out and self.is_caching)

    @property
    def flag_names(self) -> list[bytes]:
        """What CLIENT TRACKINGINFO calls it."""
        named = (
            (b"on", True),
            (b"bcast", self.is_broadcast),
            (b"optin", self.opts_in),
            (b"caching-yes", self.opts_in and self.is_caching),
            (b"optout", self.opts_out),
            (b"caching-no", self.opts_out and self.is_caching),
            (b"noloop", self.no_loop),
            (b"broken_redirect", self.is_redirect_broken),
        )
        return [name for name, holds in named if holds]


def redirects_of(words: Sequence[bytes]) -> list[int]:
    """The numbers that a whole CLIENT TRACKING command may redirect to; it may be wrong."""
    found = []
    for option, value in pairwise(words[3:]):
        if option.lower() == b"redirect":
            with suppress(ReplyError):
                found.append(integer(value))
    return found


def options_of(words: Sequence[bytes], connections: Container[int]) -> TrackingOptions:
    """The options of a whole CLIENT TRACKING command; `ReplyError` where they are wrong.

    Those of OFF are read too, and mean nothing. `connections` are the numbers of all there are.
    """
    redirect = 0
    prefixes: list[bytes] = []
    given: set[bytes] = set()
    at = 3
    while at < len(words):
        option = words[at].lower()
        has_value = at + 1 < len(words)
        if option == b"redirect" and has_value:
            if redirect:
                raise ReplyError("ERR A client can only redirect to a single other client")
            redirect = integer(words[at + 1])
            if redirect not in connections:
                raise ReplyError("ERR The client ID you want redirect to does not exist")
            at += 1
        elif option == b"prefix" and has_value:
            prefixes.append(words[at + 1])
            at += 1
        elif option in _FLAGS:
            given.add(option)
        else:
            raise ReplyError(SYNTAX)
        at += 1
    return TrackingOptions(redirect, tuple(prefixes), *(name in given for name in _FLAGS))


def check(options: TrackingOptions, mode: TrackingMode | None) -> None:
    """Raise `ReplyError` where `options` contradict each other or the `mode` there is."""
    if options.prefixes and not options.is_broadcast:
        raise ReplyError("ERR PREFIX option requires BCAST mode to be enabled")
    if mode is not None and mode.is_broadcast != options.is_broadcast:
        raise ReplyError(f"ERR You can't switch BCAST mode on/off {_ONLY_WHEN_OFF}")
    if options.is_broadcast and (options.opts_in or options.opts_out):
        raise ReplyError("ERR OPTIN and OPTOUT are not compatible with BCAST")
    if options.opts_in and options.opts_out:
        raise ReplyError("ERR You can't specify both OPTIN mode and OPTOUT mode")
    if mode is not None and (
        (options.opts_in and mode.opts_out) or (options.opts_out and mode.opts_in)
    ):
        raise ReplyError(f"ERR You can't switch OPTIN/OPTOUT mode {_ONLY_WHEN_OFF}")
    _check_prefixes(options.prefixes, mode.prefixes if mode is not None else ())


def _check_prefixes(added: Sequence[bytes], present: Iterable[bytes]) -> None:
    """No key may have two prefixes of one connection: it would be told twice."""
    existing = sorted(present)
    for at, prefix in enumerate(added):
        for other in existing:
            if _overlap(prefix, other):
                raise ReplyError(_overlapping(prefix, "an existing prefix", other))
        for other in added[at + 1 :]:
            if _overlap(prefix, other):
                raise ReplyError(_overlapping(prefix, "another provided prefix", other))


def _overlap(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)


def _overlapping(prefix: bytes, kind: str, other: bytes) -> str:
    shown, against = (text.decode("utf-8", "surrogateescape") for text in (prefix, other))
    return (
        f"ERR Prefix '{shown}' overlaps with {kind} '{against}'. "
        "Prefixes for a single client must not overlap."
    )
