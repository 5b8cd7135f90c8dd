"""What the crash scripts print of their rounds (shell: prints)."""

from __future__ import annotations

from collections import Counter as Tally
from typing import Final, Protocol

from tests.support.crash_round import Round

VIOLATIONS_SHOWN_MAX: Final = 20


class Rounds(Protocol):
    """A crash test: `crash_round.CrashTest` or `embedded_round.EmbeddedCrashTest`."""

    refusals: Tally[str]

    @property
    def acknowledged_count(self) -> int: ...

    def run_round(self, number: int) -> Round: ...

    def close(self) -> list[str]:
        """Violations of an orderly end."""
        ...

    def kill(self) -> None:
        """Leave no process behind."""
        ...

    def summary(self) -> tuple[set[str], list[str]]:
        """Failpoints that were reached besides those of the rounds, and lines to print."""
        ...


def run_rounds(test: Rounds, count: int, script: str) -> list[str]:
    """All violations of `count` rounds and of the graceful stop after them."""
    violations: list[str] = []
    reached: set[str] = set()
    for number in range(1, count + 1):
        before = test.acknowledged_count
        result = test.run_round(number)
        report(result, count, test.acknowledged_count - before)
        violations += result.violations
        if result.reached:
            reached.add(result.failpoint)
        if result.violations:
            # What was found is judged once: later rounds would repeat it.
            break
    else:
        violations += test.close()
    reached_besides, lines = test.summary()
    reached |= reached_besides
    print(f"{script}: failpoints reached: {', '.join(sorted(reached)) or 'none'}")
    for line in lines:
        print(f"{script}: {line}")
    print(f"{script}: error replies during crashes: {dict(test.refusals) or 'none'}")
    print(
        f"{script}: {count} rounds, {test.acknowledged_count} acknowledged writes, "
        f"{len(violations)} violations"
    )
    return violations


def report(result: Round, count: int, acknowledged: int) -> None:
    """One line a round, and its violations."""
    print(
        f"round {result.number}/{count}: {result.describe()}, {acknowledged} acknowledged, "
        f"{len(result.violations)} violations",
        flush=True,
    )
    for violation in result.violations[:VIOLATIONS_SHOWN_MAX]:
        print(f"  VIOLATION {violation}", flush=True)
    hidden = len(result.violations) - VIOLATIONS_SHOWN_MAX
    if hidden > 0:
        print(f"  and {hidden} more", flush=True)
