"""The users as the storage runtime knows them (shell: executing thread).

A copy of the network runtime's, which tells every change. Scripts and transactions are run here, so
here their commands are allowed or denied, one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kiwi_engine.acl.permission import Denial, denial, may_read_any_key
from kiwi_engine.acl.rules import apply_rule, merge_selectors
from kiwi_engine.acl.user import User, new_user
from kiwi_engine.channel.events import Denied, Event
from kiwi_engine.commands.resolve import resolve
from kiwi_engine.errors import ReplyError


class StorageUsers:
    """`emit` takes events for the network runtime."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._users: dict[str, User] = {}
        self._emit = emit

    def change(self, parameters: dict[str, Any]) -> None:
        """`users`: the rules of users by name. `gone`: names of users that are no more."""
        for name, rules in parameters["users"].items():
            self._users[name] = _parse(name, rules)
        for name in parameters["gone"]:
            self._users.pop(name, None)

    def permit(
        self, source: int, name: str, words: list[bytes], in_script: bool
    ) -> ReplyError | None:
        """Why the user may not call a command, which is reported; None if it may."""
        denied = self._denial(name, words)
        if denied is None:
            return None
        self._emit(Denied(source, name, denied.reason.word, denied.subject, in_script))
        return ReplyError(denied.error_in_script if in_script else denied.error_at_exec)

    def may_call(self, name: str, words: list[bytes]) -> bool:
        """Whether the user may call a command; nobody is told of the question."""
        return self._denial(name, words) is None

    def may_read_any_key(self, name: str, words: list[bytes]) -> bool:
        """Whether the user may call a command that reads keys which are not among its words."""
        user = self._users.get(name)
        return user is not None and may_read_any_key(user, words, resolve(words))

    def _denial(self, name: str, words: list[bytes]) -> Denial | None:
        # Who was removed while its script ran may do nothing any more.
        user = self._users.get(name) or new_user(name, all_channels=False)
        return denial(user, words, resolve(words))


def _parse(name: str, rules: bytes) -> User:
    """Inverse of `User.describe`."""
    user = new_user(name, all_channels=False)
    for rule in merge_selectors(rules.split(b" ")):
        user = apply_rule(user, rule, all_channels=False)
    return user
