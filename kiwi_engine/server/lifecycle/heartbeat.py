"""Whether the storage runtime answers (pure).

    asked(t) -> heard(t)           one question at a time; the next is asked when it is answered

`verdict` is what the answer, or its absence, means at a moment. Time in which the one who asks was
held up itself does not count (`excuse`): it could not have heard the answer.
"""

from __future__ import annotations

from typing import Literal

Verdict = Literal["well", "late", "hung"]


class Heartbeat:
    """All times are nanoseconds of the monotonic clock; latencies are of answered questions."""

    __slots__ = ("_asked_ns", "answered", "heard_ns", "last_ns", "late", "peak_ns")

    def __init__(self) -> None:
        # When the question was asked that is not answered, or None.
        self._asked_ns: int | None = None
        # When the last answer came; None before the first one.
        self.heard_ns: int | None = None
        self.last_ns = 0
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        self.answered = 0
        # Answers that came too late, or not at all.
        self.late = 0
        self.peak_ns = 0

    def asked(self, now_ns: int) -> None:
        """A question leaves. One that repeats an unanswered one does not set its time anew."""
        if self._asked_ns is None:
            self._asked_ns = now_ns

    def heard(self, now_ns: int, interval_ns: int) -> None:
        """The answer has come."""
        assert self._asked_ns is not None, "an answer follows a question"
        self.last_ns = max(0, now_ns - self._asked_ns)
        self.peak_ns = max(self.peak_ns, self.last_ns)
        self.answered += 1
        self.late += self.last_ns > interval_ns
        self.heard_ns, self._asked_ns = now_ns, None

    def forget(self) -> None:
        """Whoever was asked is gone."""
        self._asked_ns = None

    def excuse(self, now_ns: int) -> None:
        """The one who asks was held up until now: the question counts as just asked."""
        if self._asked_ns is not None:
            self._asked_ns = now_ns

    def silence_ns(self, now_ns: int) -> int:
        """How long the answer has been missing; 0 if none is."""
        return 0 if self._asked_ns is None else max(0, now_ns - self._asked_ns)

    def verdict(self, now_ns: int, interval_ns: int, hang_ns: int) -> Verdict:
        """`late` after `interval_ns` without the answer, `hung` after `hang_ns`; 0 is never."""
        silence_ns = self.silence_ns(now_ns)
        if hang_ns and silence_ns >= hang_ns:
            return "hung"
        return "late" if silence_ns >= interval_ns else "well"
