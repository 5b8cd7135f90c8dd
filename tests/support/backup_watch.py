"""Backups that are made while clients write and servers die, and whether they are states that were.

A `BackupWatch` is a client of its own (shell: one thread). It has the value log collected and the
backup renewed, again and again. Each backup must be, for every stream of writes, a state that the
stream went through between the moment before it was started and the moment after it was done. One
that a crash cut off may have taken the place of the former one, or not.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final

from kiwi_engine import clock
from kiwi_engine.testing.oracle import Passage
from tests.support.client import Client, ErrorReply
from tests.support.crash_client import CrashClient, SharedCounter
from tests.support.workload import SHARED_COUNTER

Observed = Mapping[bytes, bytes | None]
_POLL_SECONDS: Final = 0.005
_ANSWER_SECONDS: Final = 0.5


@dataclass(slots=True)
class Moment:
    """What a backup may hold. `writes_max`, `counter_max`: as it was done, None: it never was."""

    passages: list[Passage]
    counter_min: int
    writes_max: Sequence[int | None]
    counter_max: int | None = None
    # Whether the passages tell of everything up to now.
    is_followed: bool = True

    def end(self, counter_max: int) -> None:
        """Nothing that is written from now on can be in it."""
        self.writes_max = [len(passage.writes) for passage in self.passages]
        self.counter_max = counter_max

    def judge(self, observed: Observed, *, and_later: bool = False) -> list[str]:
        """What is wrong with `observed`; `and_later`: it may also be of a later moment."""
        violations = []
        unknown = {key for key, value in observed.items() if value is not None}
        unknown -= {SHARED_COUNTER}.union(*(passage.keys() for passage in self.passages))
        if unknown:
            violations.append(f"keys that were written later: {sorted(unknown)}")
        for passage, writes_max in zip(self.passages, self.writes_max, strict=True):
            known = passage.keys()
            own = {key: value for key, value in observed.items() if key in known}
            violations += passage.judge(own, None if and_later else writes_max)
        counter = int(observed.get(SHARED_COUNTER) or 0)
        most = None if and_later else self.counter_max
        if counter < self.counter_min or (most is not None and counter > most):
            violations.append(f"shared counter {counter}, expected {self.counter_min} to {most}")
        return violations


@dataclass
class BackupWatch:
    """Keeps a backup in `target` while it is started; `judge` tells whether it is right."""

    target: Path
    clients: Sequence[CrashClient]
    counter: SharedCounter
    made: int = 0
    violations: list[str] = field(default_factory=list)
    # One of these is the backup; the content that was last found there, too.
    _moments: list[Moment] = field(default_factory=list)
    _content: Observed | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def is_due(self) -> bool:
        """Whether there may be a backup that was not judged yet."""
        return bool(self._moments)

    def start(self, port: int) -> None:
        """Connect and begin; the clients must have been started, and follow no passage."""
        for moment in self._moments:
            moment.is_followed = False
        self._stopping.clear()
        client = Client(port)
        self._thread = threading.Thread(target=self._run, args=(client,), name="backups")
        self._thread.start()

    def finish(self) -> None:
        """Disconnect; a backup in progress goes on."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def judge(self, observed: Observed) -> tuple[list[str], Moment | None]:
        """What is wrong with the backup, and its moment if what came after that is known."""
        moments, self._moments = self._moments, []
        previous, self._content = self._content, observed
        violations = ["a backup, although none was made"]
        for moment in reversed(moments):
            violations = moment.judge(observed)
            if not violations:
                return [], moment if moment.is_followed else None
        return [] if previous == observed else violations, None

    def _run(self, client: Client) -> None:
        try:
            with client:
                while not self._stopping.is_set():
                    client.command("KIWI", "GC", "THRESHOLD", 1)
                    self._make_backup(client)
        except OSError:
            # The crash that everybody waits for; the clients tell where it must not be seen.
            pass

    def _make_backup(self, client: Client) -> None:
        made_before = _status(client).get("made")
        moment = self._begin()
        if moment is None or made_before is None:
            return
        self._moments.append(moment)
        reply = client.command("KIWI", "BACKUP", str(self.target), "INCREMENTAL")
        status = self._wait(client)
        # Without an answer, as after a timeout, it may still be under way: it has no end then.
        if not status or status["in_progress"] or isinstance(reply, ErrorReply):
            return
        moment.end(self.counter.bounds()[1])
        if status.get("made") == made_before + 1:
            self.made += 1
            self._moments = [moment]
        elif status.get("failure"):
            self.violations.append(f"a backup failed: {status['failure'].decode()}")

    def _begin(self) -> Moment | None:
        """A moment at which all clients have told of a passage; None if one does not any more."""
        passages: Queue[Passage] = Queue()
        for client in self.clients:
            client.follow(passages)
        found: list[Passage] = []
        for client in self.clients:
            while len(found) < len(self.clients):
                try:
                    found.append(passages.get(timeout=_ANSWER_SECONDS))
                except Empty:
                    if self._stopping.is_set() or not client.running:
                        return None
        return Moment(found, self.counter.bounds()[0], [None] * len(found))

    def _wait(self, client: Client) -> dict[str, Any]:
        while (status := _status(client)).get("in_progress") and not self._stopping.is_set():
            clock.sleep(_POLL_SECONDS)
        return status


def backup_has_ended(client: Client) -> bool:
    """Whether storage answers, and makes no backup."""
    return _status(client).get("in_progress") == 0


def _status(client: Client) -> dict[str, Any]:
    """Empty while storage is away."""
    reply = client.command("KIWI", "BACKUP-STATUS")
    if isinstance(reply, ErrorReply):
        return {}
    names = [name.decode() for name in reply[::2]]
    return dict(zip(names, reply[1::2], strict=True))
