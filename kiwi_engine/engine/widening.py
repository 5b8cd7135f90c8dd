"""Letting groups grow beyond their limits while that is worth while (shell: executing thread)."""

from __future__ import annotations

from typing import Final

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.commit.pipeline import Pipeline
from kiwi_engine.commit.policy import LoadFacts, widen, widened
from kiwi_engine.engine.settings import EngineSettings

INTERVAL_NS: Final = 50_000_000


class Widening:
    """Owned by the engine; sets the pipeline's limits. `hot_share` is set by who watches keys."""

    def __init__(self, pipeline: Pipeline, settings: EngineSettings) -> None:
        self._pipeline = pipeline
        self._looked_ns = monotonic_ns()
        self._groups = self._groups_full = 0
        self.factor = 1
        # The part of all writes that goes to the hottest key, 0.0 to 1.0.
        self.hot_share = 0.0
        self.configure(settings)

    def configure(self, settings: EngineSettings) -> None:
        """Take over the run-time settings."""
        self._limits = settings.batch
        self._factor_max = settings.batch_widen_max
        self._set(min(self.factor, self._factor_max))

    def maintain(self, now_ns: int) -> None:
        """To be called often; judges the groups of the last interval when it is over."""
        if now_ns - self._looked_ns < INTERVAL_NS:
            return
        self._looked_ns = now_ns
        statistics = self._pipeline.statistics
        # Statistics may have been reset meanwhile.
        groups = max(0, statistics.groups - self._groups)
        full = max(0, statistics.groups_full - self._groups_full)
        self._groups, self._groups_full = statistics.groups, statistics.groups_full
        factor = widen(self.factor, LoadFacts(groups, full, self.hot_share), self._factor_max)
        if factor != self.factor:
            self._set(factor)

    def _set(self, factor: int) -> None:
        self.factor = factor
        self._pipeline.limits = widened(self._limits, factor)
