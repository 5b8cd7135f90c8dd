"""What the locally answered commands may ask of the network runtime (pure interface).

The network runtime implements `ServerFacade`; tests implement it with a few lines. All of it is
called on the network runtime's event loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kiwi_engine.server.network.access_control import AccessControl
from kiwi_engine.server.network.latency.recorder import LatencyRecorder
from kiwi_engine.server.network.lifecycle_view import LifecycleView
from kiwi_engine.server.network.monitoring import Monitors
from kiwi_engine.server.network.peers.peers import Peers
from kiwi_engine.server.network.pubsub.broker import Broker
from kiwi_engine.server.network.pubsub.exchange import Exchange
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.spanning.spanning import Spanning
from kiwi_engine.server.network.statistics import NetworkStatistics
from kiwi_engine.server.network.tracking.tracking import Tracking


@dataclass(slots=True)
class ServerFacts:
    """What does not change while the server runs, but for the storage process.

    `run_id` is 40 hexadecimal digits, new with each start. `config_file` is an absolute path or "".
    `process_id` is the supervisor's. `storage_process_id` is None while storage is down; in single
    mode all three are the same. `started_ns` is a time of the monotonic clock.
    """

    kiwi_version: str
    run_id: str
    runtime_mode: str
    executable: str
    config_file: str
    process_id: int
    network_process_id: int
    storage_process_id: int | None
    started_ns: int


class LiveConfiguration(Protocol):
    """The settings in force; `kiwi_engine.config.live.LiveConfig` is the real one."""

    def names(self) -> list[str]: ...

    def get(self, name: str) -> str:
        """The value of a lower-case name; `KeyError` if there is none."""

    def set(self, pairs: Sequence[tuple[str, str]]) -> Any:
        """Change all pairs or, raising `ReplyError`, none."""


class ServerFacade(Protocol):
    """The network runtime as the local commands see it."""

    @property
    def config(self) -> LiveConfiguration: ...

    @property
    def facts(self) -> ServerFacts: ...

    @property
    def statistics(self) -> NetworkStatistics: ...

    @property
    def acl(self) -> AccessControl: ...

    @property
    def broker(self) -> Broker:
        """The subscribers of this process."""

    @property
    def exchange(self) -> Exchange:
        """The pub/sub of all processes."""

    @property
    def latency(self) -> LatencyRecorder:
        """What was slow."""

    @property
    def tracking(self) -> Tracking: ...

    @property
    def monitors(self) -> Monitors: ...

    @property
    def lifecycle(self) -> LifecycleView: ...

    @property
    def peers(self) -> Peers:
        """The other network processes."""

    @property
    def spanning(self) -> Spanning | None:
        """What carries out commands that concern all network processes; None if there is one."""

    def sessions(self) -> Iterable[Session]:
        """All connections, in the order of their ids."""

    def buffers(self, session: Session) -> tuple[int, int]:
        """Bytes received but not run yet, and reply bytes that the kernel has not taken yet."""

    def push(self, session_id: int, encoded: bytes) -> None:
        """Send a message that is no reply; nothing happens if the connection is gone."""

    def kill(self, session: Session) -> None:
        """Close the connection now; replies that are not sent yet are lost."""

    def pause(self, timeout_ms: int, *, holds_all: bool) -> None:
        """Let writes, or all commands, wait for so long; never shortens a pause."""

    def unpause(self) -> None:
        """Let commands go on that wait because of `pause`."""

    async def query(self, method: str, parameters: dict[str, Any]) -> Any:
        """Ask the storage runtime; `KiwiError` when it is down or too slow.

        It is carried out behind all commands that came before. `stats` answers
        `{section: {field: value}}`, values being numbers, texts or, for fields
        such as `db0`, a mapping printed as `name=value,...`. In `commandstats` the fields are
        names of commands with `calls`, `usec`, `rejected_calls` and `failed_calls`; in
        `errorstats` they are error words with their counts.
        `reset_statistics` sets the storage runtime's counters to zero.
        """

    async def storage_facts(self, session: Session) -> dict[str, dict[str, Any]]:
        """As the query `stats`, but in front of all that waits, except for what `session` sent."""

    def reset_network_sections(self) -> None:
        """Set the counters of `network_sections` to zero."""

    def network_sections(self) -> dict[str, dict[str, Any]]:
        """Sections of INFO that the network runtime owns as a whole, e.g. `channel`."""

    def channel_times(self) -> dict[str, list[int]]:
        """Of the times that `channel` tells, the states of the histograms."""

    def request_shutdown(self) -> None:
        """Begin the orderly stop; the connections are closed by it."""
