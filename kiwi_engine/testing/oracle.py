"""What a crash may leave behind, and what it may not (pure).

A key is *present* (its last write was acknowledged), *absent* (never written, or its deletion was
acknowledged) or *maybe* (a write on it was sent and not answered). One `Stream` follows the writes
of one connection to keys that nobody else writes. The server executes them in order and its log is
a prefix of what was executed, so after a crash the stream must be found in one of few states:

    every acknowledged write applied, no refused one, and of those in doubt a prefix, each whole.

`settle` compares a stream with what was read back and names every difference. A prefix is demanded
of the writes in doubt, so a stream must be settled between two crashes. `Passage` judges a backup
that was made meanwhile: it is a state that the stream went through. `Counter` judges an INCR key
that many connections share. Nothing here reads a socket or a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

# How many bytes of a value a message shows.
_SHOWN_BYTES_MAX: Final = 48


class Presence(Enum):
    """The three values of the oracle."""

    ABSENT = "absent"
    MAYBE = "maybe"
    PRESENT = "present"


class Status(Enum):
    """What is known of a write's fate."""

    IN_DOUBT = "in doubt"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Add:
    """The change that INCRBY makes: `amount` more than what is there."""

    amount: int


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that depends on what is there, such as a pop: `after` maps any value to the next."""

    after: Callable[[bytes | None], bytes | None]


# A new value, a deletion (None), or one that depends on the value.
Change = bytes | None | Add | Edit
State = dict[bytes, bytes | None]


@dataclass(slots=True, eq=False)
class Write:
    """One request: its changes become visible all together or not at all."""

    changes: Mapping[bytes, Change]
    status: Status = Status.IN_DOUBT


@dataclass(slots=True, eq=False)
class Passage:
    """The states that a stream went through since a moment at which no write was under way."""

    name: str
    start: State
    writes: list[Write] = field(default_factory=list)

    def keys(self) -> set[bytes]:
        """All keys that may be there."""
        return self.start.keys() | {key for write in self.writes for key in write.changes}

    def judge(
        self, observed: Mapping[bytes, bytes | None], writes_max: int | None = None
    ) -> list[str]:
        """The violation, unless `observed` is the state after some of the first `writes_max`.

        Refused writes are passed by; all others count, since they are executed in their order.
        """
        state: State = {key: self.start.get(key) for key in observed}
        wrong = {key for key, value in state.items() if value != observed[key]}
        fewest = set(wrong)
        for write in self.writes[:writes_max]:
            if not fewest:
                break
            if write.status is Status.REFUSED:
                continue
            _apply(state, write)
            for key in write.changes.keys() & observed.keys():
                (wrong.discard if state[key] == observed[key] else wrong.add)(key)
            if len(wrong) < len(fewest):
                fewest = set(wrong)
        if not fewest:
            return []
        keys = ", ".join(f"{_show(key)} {_show(observed[key])}" for key in sorted(fewest))
        return [f"{self.name}: no state that ever was; at best these differ: {keys}"]


@dataclass(slots=True)
class Stream:
    """The writes of one connection, in order. One thread at a time may use it."""

    name: str
    acknowledged_count: int = 0
    _certain: State = field(default_factory=dict)
    _writes: deque[Write] = field(default_factory=deque)
    _passages: list[Passage] = field(default_factory=list)

    def submit(self, changes: Mapping[bytes, Change]) -> Write:
        """Note a write that is about to be sent."""
        write = Write(changes)
        self._writes.append(write)
        for passage in self._passages:
            passage.writes.append(write)
        return write

    def follow(self) -> Passage:
        """Note all states from now on; nothing may be in doubt."""
        assert not self._writes, "a passage begins when nothing is under way"
        passage = Passage(self.name, dict(self._certain))
        self._passages.append(passage)
        return passage

    def unfollow(self) -> None:
        """Let go of all passages."""
        self._passages.clear()

    def acknowledge(self, write: Write) -> None:
        """The server promised that `write` is durable."""
        assert write.status is Status.IN_DOUBT, "a write is answered once"
        write.status = Status.ACKNOWLEDGED
        self.acknowledged_count += 1
        self._fold()

    def refuse(self, write: Write) -> None:
        """The server said that `write` was not executed."""
        assert write.status is Status.IN_DOUBT, "a write is answered once"
        write.status = Status.REFUSED
        self._fold()

    def keys(self) -> set[bytes]:
        """All keys ever submitted."""
        return self._certain.keys() | self.keys_in_doubt()

    def keys_in_doubt(self) -> set[bytes]:
        """The keys that an unanswered write, or one behind it, changes."""
        return {key for write in self._writes for key in write.changes}

    def latest(self, key: bytes) -> bytes | None:
        """The value of `key` if everything submitted and not refused was executed."""
        return self._state([key], self._count_in_doubt())[key]

    def presence(self, key: bytes) -> Presence:
        """What is known of `key`."""
        if any(write.status is Status.IN_DOUBT and key in write.changes for write in self._writes):
            return Presence.MAYBE
        return Presence.PRESENT if self.latest(key) is not None else Presence.ABSENT

    def settle(self, observed: Mapping[bytes, bytes | None]) -> list[str]:
        """Compare with values read back; return the violations and take `observed` as certain.

        `observed` must hold all `keys_in_doubt`; other keys are compared too where it has them.
        """
        assert self.keys_in_doubt() <= observed.keys(), "keys in doubt must be read back"
        states = [self._state(observed, count) for count in range(self._count_in_doubt() + 1)]
        if observed in states:
            violations = []
            self._decide(states.index(dict(observed)))
        else:
            violations = self._explain(states, observed)
        self._certain.update(observed)
        self._writes.clear()
        return violations

    def _decide(self, made: int) -> None:
        """Of the writes in doubt the first `made` were made: the passages need to know."""
        in_doubt = [write for write in self._writes if write.status is Status.IN_DOUBT]
        for number, write in enumerate(in_doubt):
            write.status = Status.ACKNOWLEDGED if number < made else Status.REFUSED

    def _fold(self) -> None:
        """Forget writes whose fate is known, as far as everything before them is known too."""
        while self._writes and self._writes[0].status is not Status.IN_DOUBT:
            write = self._writes.popleft()
            if write.status is Status.ACKNOWLEDGED:
                self._certain.update(dict.fromkeys(write.changes.keys() - self._certain.keys()))
                _apply(self._certain, write)

    def _count_in_doubt(self) -> int:
        return sum(write.status is Status.IN_DOUBT for write in self._writes)

    def _state(self, keys: Iterable[bytes], in_doubt_applied: int) -> State:
        """The values of `keys` after all acknowledged writes and the first so many in doubt."""
        state = {key: self._certain.get(key) for key in keys}
        for write in self._writes:
            if write.status is Status.IN_DOUBT:
                in_doubt_applied -= 1
                if in_doubt_applied >= 0:
                    _apply(state, write)
            elif write.status is Status.ACKNOWLEDGED:
                _apply(state, write)
        return state

    def _explain(self, states: list[State], observed: Mapping[bytes, bytes | None]) -> list[str]:
        """One line for each key that no state explains, or one for keys that contradict."""
        found = []
        for key in sorted(observed):
            possible = {state[key] for state in states}
            if observed[key] not in possible:
                wanted = " or ".join(sorted(_show(value) for value in possible))
                found.append(
                    f"{self.name}: {self.presence(key).value} key {_show(key)}: expected {wanted}, "
                    f"found {_show(observed[key])}"
                )
        if found:
            return found
        keys = ", ".join(_show(key) for key in sorted(self.keys_in_doubt()))
        return [
            f"{self.name}: a request was torn, or a later write outlived an earlier one: {keys}"
        ]


def _apply(state: State, write: Write) -> None:
    """Change those keys of `state` that `write` changes."""
    for key, change in write.changes.items():
        if key not in state:
            continue
        if isinstance(change, Add):
            state[key] = b"%d" % (int(state[key] or 0) + change.amount)
        elif isinstance(change, Edit):
            state[key] = change.after(state[key])
        else:
            state[key] = change


def _show(value: bytes | None) -> str:
    if value is None:
        return "nothing"
    if len(value) <= _SHOWN_BYTES_MAX:
        return repr(value)
    return f"{value[:_SHOWN_BYTES_MAX]!r}... ({len(value)} bytes)"


@dataclass(slots=True)
class Counter:
    """An INCR key that many connections share; callers hold a lock around each call.

    `acknowledged` and `in_doubt` count increments of one. Each acknowledged reply is a number that
    no other increment may ever have been given: a repetition shows a lost update.
    """

    name: str
    acknowledged: int = 0
    in_doubt: int = 0
    _floor: int = 0
    _numbers: set[int] = field(default_factory=set)

    def submit(self) -> None:
        self.in_doubt += 1

    def refuse(self) -> None:
        self.in_doubt -= 1

    def acknowledge(self, number: int) -> list[str]:
        """Note the reply to one increment; a number given out before is a violation."""
        self.in_doubt -= 1
        self.acknowledged += 1
        if number in self._numbers:
            return [f"{self.name}: {number} was given out twice: an acknowledged INCR was lost"]
        self._numbers.add(number)
        return []

    def bounds(self) -> tuple[int, int]:
        """The least and the most that it can be, now or after a crash."""
        counted = self._floor + self.acknowledged
        return max(counted, max(self._numbers, default=0)), counted + self.in_doubt

    def settle(self, value: int) -> list[str]:
        """Compare with the value read back when nothing is in flight any more."""
        low, high = self.bounds()
        violations = []
        if not low <= value <= high:
            violations = [f"{self.name}: expected {low} to {high}, found {value}"]
        self._floor, self.acknowledged, self.in_doubt = value, 0, 0
        return violations
