"""What the executor asks about users who may not do everything (pure interface)."""

from __future__ import annotations

from typing import Protocol

from kiwi_engine.errors import ReplyError


class Permissions(Protocol):
    """Users are told by name; `source` is the number of the connection."""

    def permit(
        self, source: int, name: str, words: list[bytes], in_script: bool
    ) -> ReplyError | None:
        """Why the user may not call a command, in a script or else in a transaction."""

    def may_call(self, name: str, words: list[bytes]) -> bool:
        """Whether the user may call a command; nobody is told of the question."""

    def may_read_any_key(self, name: str, words: list[bytes]) -> bool:
        """Whether the user may call a command that reads keys which are not among its words."""


class NoPermissions:
    """For an executor that nobody restricted sends anything to."""

    def permit(
        self, source: int, name: str, words: list[bytes], in_script: bool
    ) -> ReplyError | None:
        raise AssertionError("there are no users")

    def may_call(self, name: str, words: list[bytes]) -> bool:
        raise AssertionError("there are no users")

    def may_read_any_key(self, name: str, words: list[bytes]) -> bool:
        raise AssertionError("there are no users")
