"""A client of an engine in memory, and all that the observer of its keyspace says (pure)."""

from __future__ import annotations

from kiwi_engine.channel.events import Event, Published
from kiwi_engine.config.event_classes import EventClasses
from kiwi_engine.server.storage.observer import StorageObserver
from tests.commands.helpers import Session


class ObservedSession(Session):
    """`events` since the last look: (event, key) of database 0, (event, key, database) of others.

    They are those of the channels by event; `classes` are letters as in the setting.
    """

    def __init__(self, classes: str) -> None:
        super().__init__()
        self.published: list[Published] = []
        self.observer = StorageObserver(self.keyspace, self._take)
        self.publish(classes)

    def publish(self, classes: str) -> None:
        """Publish what `notify-keyspace-events` says from now on."""
        self.observer.configure(EventClasses().parse([classes]))

    def _take(self, event: Event) -> None:
        assert isinstance(event, Published)
        self.published.append(event)

    def messages(self) -> list[tuple[str, str]]:
        """What was published since the last look."""
        found = [(one.channel.decode(), one.message.decode()) for one in self.published]
        self.published.clear()
        return found

    def events(self, line: str) -> list[str]:
        """What a command is told to have done, as "event key", or "event key@database"."""
        self.messages()
        self.run(line)
        return self.told()

    def told(self) -> list[str]:
        """The events since the last look."""
        return [
            f"{channel.partition('__:')[2]} {key}" + _place(channel)
            for channel, key in self.messages()
            if channel.startswith("__keyevent@")
        ]


def _place(channel: str) -> str:
    database = channel.partition("@")[2].partition("_")[0]
    return "" if database == "0" else f"@{database}"
