"""A user: how it logs in, and what its selectors allow (pure).

Users are values; a change makes another user, which takes the old one's place in `acl.users`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from kiwi_engine.acl.commands import EVERY_BIT
from kiwi_engine.acl.passwords import is_one_of
from kiwi_engine.acl.selector import Selector

DEFAULT_NAME: Final = "default"


class PayloadCheck(Enum):
    """Whether RESTORE checks what this user gives it; here it always does."""

    SANITIZE = b"sanitize-payload"
    SKIP = b"skip-sanitize-payload"


@dataclass(frozen=True, slots=True)
class User:
    """`selectors` begin with the root selector. `passwords` are hashes (see `acl.passwords`).

    With `no_password` any password is right, and connections are logged in as `default` by
    themselves.
    """

    name: str
    selectors: tuple[Selector, ...]
    is_on: bool = False
    no_password: bool = False
    payload_check: PayloadCheck = PayloadCheck.SANITIZE
    passwords: tuple[bytes, ...] = ()

    @property
    def root(self) -> Selector:
        return self.selectors[0]

    def with_root(self, selector: Selector) -> User:
        return replace(self, selectors=(selector, *self.selectors[1:]))

    @property
    def allows_everything(self) -> bool:
        """No command of this user needs to be looked at."""
        return any(selector.allows_everything for selector in self.selectors)

    def accepts(self, password: bytes) -> bool:
        """Whether it may log in with `password`."""
        if not self.is_on:
            return False
        return self.no_password or is_one_of(password, self.passwords)

    @property
    def flags(self) -> list[bytes]:
        """As ACL GETUSER lists them."""
        flags = [b"on" if self.is_on else b"off"]
        if self.no_password:
            flags.append(b"nopass")
        flags.append(self.payload_check.value)
        return flags

    def describe(self) -> bytes:
        """The rules that make this user, in the canonical form of ACL LIST."""
        root, *others = [selector.describe() for selector in self.selectors]
        words = [*self.flags, *(b"#" + each for each in self.passwords), root]
        return b" ".join((*words, *(b"(%b)" % each for each in others)))

    def line(self) -> bytes:
        """The line that makes this user in an ACL file or a configuration file."""
        return b"user %b %b" % (self.name.encode(), self.describe())


def new_user(name: str, all_channels: bool) -> User:
    """A user that may do nothing; `all_channels`: what `acl-pubsub-default` says."""
    return User(name, (Selector(all_channels=all_channels),))


def default_user() -> User:
    """The user `default` as long as nobody changes it: everybody, and allowed everything."""
    everything = Selector(EVERY_BIT, starts_with_all=True, all_keys=True, all_channels=True)
    return User(DEFAULT_NAME, (everything,), is_on=True, no_password=True)
