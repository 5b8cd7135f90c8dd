"""All users by name, and changes to them (pure; one thread owns a `Users`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kiwi_engine.acl.rules import UnmatchedParenthesisError, apply_rule, merge_selectors
from kiwi_engine.acl.selector_rules import RuleError, has_spaces
from kiwi_engine.acl.user import DEFAULT_NAME, User, default_user, new_user
from kiwi_engine.errors import ReplyError


class Users:
    """There is always a user `default`.

    `all_channels` is what users and selectors made from now on allow (`acl-pubsub-default`).
    """

    def __init__(self, all_channels: bool = False) -> None:
        self._by_name: dict[str, User] = {DEFAULT_NAME: default_user()}
        self.all_channels = all_channels

    def __iter__(self) -> Iterator[User]:
        """In the order of their names."""
        return iter(sorted(self._by_name.values(), key=lambda user: user.name.encode()))

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> User | None:
        return self._by_name.get(name)

    def named(self, name: bytes) -> User | None:
        """The user that a client calls `name`."""
        try:
            return self._by_name.get(name.decode())
        except UnicodeDecodeError:
            return None

    @property
    def default(self) -> User:
        return self._by_name[DEFAULT_NAME]

    def put(self, user: User) -> None:
        self._by_name[user.name] = user

    def remove(self, name: str) -> None:
        """Any user but `default`."""
        assert name != DEFAULT_NAME, "connections that nobody logged in are its"
        del self._by_name[name]

    def replace(self, users: Iterable[User]) -> None:
        """Have these users and no others; `default` as it is at first, unless it is one of them."""
        self._by_name = {DEFAULT_NAME: default_user()} | {user.name: user for user in users}

    def changed(self, name: bytes, rules: Sequence[bytes]) -> User:
        """The user `name`, or a new one, with more rules; `ReplyError` with Redis' texts.

        It is not put in yet.
        """
        user = self.named(name) or new_user(checked_name(name), self.all_channels)
        try:
            words = merge_selectors(rules)
        except UnmatchedParenthesisError as error:
            raise ReplyError(
                f"ERR Unmatched parenthesis in acl selector starting at '{_shown(error.word)}'."
            ) from None
        for rule in words:
            try:
                user = apply_rule(user, rule, self.all_channels)
            except RuleError as error:
                raise ReplyError(
                    f"ERR Error in ACL SETUSER modifier '{_shown(rule)}': {error.reason}"
                ) from None
        return user

    def with_password(self, password: bytes) -> User:
        """The user `default` with this password and no other; without one if it is empty."""
        rules = [b"resetpass", b">" + password] if password else [b"nopass"]
        return self.changed(DEFAULT_NAME.encode(), rules)


def checked_name(name: bytes) -> str:
    """`name` as text; `ReplyError` if no user may be called so."""
    if has_spaces(name):
        raise ReplyError("ERR Usernames can't contain spaces or null characters")
    try:
        return name.decode()
    except UnicodeDecodeError:
        # Unlike Redis: names travel as text between the processes and into logs.
        raise ReplyError("ERR Usernames must be UTF-8") from None


def _shown(word: bytes) -> str:
    return word.partition(b"\0")[0].decode("utf-8", "surrogateescape")
