"""What the value log holds and what is done about its dead part, for statistics (pure reads)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kiwi_engine.engine.engine import Engine


def value_log_facts(engine: Engine) -> dict[str, int | float | str]:
    """Sizes are bytes; `space_amplification` is disk use by live bytes, 0 while nothing lives.

    `discarded_bytes` are counted, `discarded_bytes_estimated` are sampled besides. `gc_state` is
    idle, or what happens to the segment that is furthest; `gc_rate` -1 means no limit.
    """
    log, collector = engine.opened.values.facts(), engine.collector
    statistics = collector.statistics
    survey = collector.survey
    counted, estimated = survey.dead_bytes()
    live_bytes = max(0, survey.entry_bytes() - counted - estimated)
    rate = survey.rate()
    return {
        **{name: getattr(log, name) for name in log.__struct_fields__},
        "live_bytes": live_bytes,
        "discarded_bytes": counted,
        "discarded_bytes_estimated": estimated,
        "space_amplification": round(log.disk_bytes / live_bytes, 3) if live_bytes else 0.0,
        "gc_state": collector.state(),
        "gc_segment": collector.current_segment(),
        "gc_asked_for": int(collector.is_collecting),
        "gc_rate": int(rate) if rate != float("inf") else -1,
        "gc_segments_collected": statistics.segments_collected,
        "gc_bytes_freed": statistics.bytes_freed,
        "gc_values_rewritten": statistics.values_rewritten,
        "gc_bytes_rewritten": statistics.bytes_rewritten,
        "gc_values_skipped": statistics.values_skipped,
        "gc_segments_held": len(collector.held_segments()),
        "gc_segments_unsound": len(collector.unsound),
        "gc_last_error": statistics.last_error,
        **{f"pins_{kind}": count for kind, count in sorted(engine.pins.counts().items())},
    }
