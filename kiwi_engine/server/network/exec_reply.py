"""The reply of a transaction some of whose commands are the network runtime's (glue).

The storage runtime runs its own commands and tells their replies; then those of this runtime are
run, in order, and the array is put together. So a message that is published in a transaction leaves
when the transaction's writes are durable.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from kiwi_engine.acl.log import Where
from kiwi_engine.commands.resolve import resolve
from kiwi_engine.resp import reply
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local import run
from kiwi_engine.server.network.local.denials import find_denial
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.slots import Slot

_decode_parts = msgspec.msgpack.Decoder(list[bytes]).decode
# First bytes of what is no list of parts: an error, or that a watched key has changed.
_WHOLE_REPLIES = (b"-", b"*", b"_")
AnswerLater = Callable[[Slot, Coroutine[Any, Any, bytes]], None]


class MixedReply:
    """`own_commands` are the positions of the network runtime's commands, `names` their names."""

    def __init__(self, facade: ServerFacade, session: Session, commands: list[list[bytes]]) -> None:
        self._facade = facade
        self._session = session
        self._commands = commands
        self._resolved = [resolve(words) for words in commands]
        self.own_commands = [
            at for at, each in enumerate(self._resolved) if each.row.where == "network"
        ]
        self.names = {self._resolved[at].name for at in self.own_commands}

    def converter(self, slot: Slot, answer_later: AnswerLater) -> Callable[[bytes], bytes | None]:
        """What makes the reply of `slot`."""

        def convert(encoded: bytes) -> bytes | None:
            if encoded.startswith(_WHOLE_REPLIES):
                return encoded
            answer_later(slot, self._put_together(_decode_parts(encoded)))
            return None

        return convert

    async def _put_together(self, parts: list[bytes]) -> bytes:
        session = self._session
        for at in self.own_commands:
            denied = find_denial(
                self._facade, session, self._resolved[at], self._commands[at], Where.TRANSACTION
            )
            if denied is not None:
                parts[at] = reply.error(denied.error_at_exec)
                continue
            session.is_executing = True
            try:
                answer = run(self._facade, session, self._resolved[at], self._commands[at])
                parts[at] = answer if isinstance(answer, bytes) else await answer
            finally:
                session.is_executing = False
        session.refresh()
        return reply.array(parts)
