"""The users of a running server, and what becomes of changes to them (glue).

One thread, that of the network runtime, owns an `AccessControl`. Changes take effect at once, on
open connections and in the storage runtime (see `server.network.access_link`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from kiwi_engine.acl.log import DenialLog, LoggedDenial
from kiwi_engine.acl.user import User
from kiwi_engine.acl.users import Users
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings

_ALL_CHANNELS: Final = "allchannels"


class UserChange(NamedTuple):
    """`old` is None for a new user, `new` for one that is gone."""

    old: User | None
    new: User | None


Listener = Callable[[list[UserChange]], None]


class AccessControl:
    """At first there are `users`, and `default`, whose password is `requirepass`, if need be.

    Its listeners are told of every change.
    """

    def __init__(self, config: LiveConfig, users: Iterable[User] = ()) -> None:
        self._config = config
        self._listeners: list[Listener] = []
        self.log = DenialLog()
        # Takes what was denied; another process may have the log of all.
        self.keep_denial: Callable[[LoggedDenial], None] = self.log_denial
        self.users = Users(allows_all_channels(config.settings))
        if config.settings.requirepass:
            self.users.put(self.users.with_password(_password(config.settings)))
        for user in users:
            self.users.put(user)
        config.subscribe(self._settings_changed)

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` after each change; it must not raise."""
        self._listeners.append(listener)

    @property
    def needs_login(self) -> bool:
        """Whether a connection that nobody logged in may do nothing."""
        default = self.users.default
        return not (default.no_password and default.is_on)

    def log_denial(self, denial: LoggedDenial) -> None:
        """Have something in the log of this process."""
        self.log.add(denial, self._config.settings.acllog_max_len)

    def user_of(self, name: str) -> User:
        """The user called so; connections have one, because they end with it."""
        user = self.users.get(name)
        assert user is not None, f"there is no user {name}"
        return user

    # ---- changes

    def put(self, user: User) -> UserChange:
        """Add a user, or have it instead of the one of its name."""
        change = UserChange(self.users.get(user.name), user)
        self.users.put(user)
        self._tell([change])
        return change

    def remove(self, name: str) -> UserChange:
        """Remove a user that exists."""
        change = UserChange(self.user_of(name), None)
        self.users.remove(name)
        self._tell([change])
        return change

    def replace(self, users: Iterable[User]) -> list[UserChange]:
        """Have these users and no others; `default` always exists."""
        before = {user.name: user for user in self.users}
        self.users.replace(users)
        after = {user.name: user for user in self.users}
        changes = [UserChange(before.get(name), user) for name, user in after.items()]
        changes += [UserChange(old, None) for name, old in before.items() if name not in after]
        changes = [change for change in changes if change.old != change.new]
        self._tell(changes)
        return changes

    def _tell(self, changes: list[UserChange]) -> None:
        for listener in self._listeners:
            listener(changes)

    def _settings_changed(self, old: Settings, new: Settings) -> None:
        self.users.all_channels = allows_all_channels(new)
        if old.requirepass != new.requirepass:
            self.put(self.users.with_password(_password(new)))


def mirrored(users: Iterable[User]) -> dict[str, bytes]:
    """What the storage runtime needs to know of users: their rules by name."""
    return {user.name: user.describe() for user in users}


def mirror_of_change(changes: Iterable[UserChange]) -> dict[str, Any]:
    """Parameters of the query `acl_users`."""
    listed = list(changes)
    return {
        "users": mirrored(change.new for change in listed if change.new is not None),
        "gone": [change.old.name for change in listed if change.old and not change.new],
    }


def allows_all_channels(settings: Settings) -> bool:
    """What new users may do with channels."""
    return settings.acl_pubsub_default == _ALL_CHANNELS


def _password(settings: Settings) -> bytes:
    return settings.requirepass.encode("utf-8", "surrogateescape")
