"""What users and denials have to do with the rest of a server (glue: event loop).

A change of users reaches the open connections and the storage runtime at once; what the storage
runtime denies to scripts and transactions reaches ACL LOG.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from kiwi_engine.channel.events import Denied
from kiwi_engine.server.network.access_control import UserChange, mirror_of_change, mirrored
from kiwi_engine.server.network.event_routing import EventRouting
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.denials import log_denied_elsewhere
from kiwi_engine.server.network.storage_client import StorageClient

# The query by which the storage runtime is told of users.
QUERY: Final = "acl_users"


class AccessLink:
    """Connects a server's `AccessControl` with its sessions and its storage runtime."""

    def __init__(self, facade: ServerFacade, storage: StorageClient, events: EventRouting) -> None:
        self._facade = facade
        self._storage = storage
        facade.acl.subscribe(self._users_changed)
        storage.greet(self._greeting)
        events.register(Denied, self._denied)

    def _greeting(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """All users, for a storage runtime that knows none."""
        yield QUERY, {"users": mirrored(self._facade.acl.users), "gone": []}

    def _users_changed(self, changes: list[UserChange]) -> None:
        """Connections of users that are gone are closed by the command that removed them."""
        changed = {change.new.name: change.new for change in changes if change.new is not None}
        for session in self._facade.sessions():
            user = changed.get(session.user)
            if user is not None:
                session.is_restricted = not user.allows_everything
                session.refresh()
        self._storage.tell_in_order(QUERY, mirror_of_change(changes))

    def _denied(self, event: Denied) -> None:
        for session in self._facade.sessions():
            if session.id == event.source:
                log_denied_elsewhere(self._facade, session, event)
                return
