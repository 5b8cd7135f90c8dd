"""What a salvage kept and what it did not (pure).

    verdict      exit code   meaning
    complete     0           the new directory holds everything that was acknowledged
    torn tail    1           and a write that was never acknowledged was cut off
    incomplete   4           something is lost, or may be; each key, range and record is named

The exit codes are those of `kiwi-engine recover --salvage`; docs/recovery.md describes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from kiwi_engine.engine.inspection.report import Finding
from kiwi_engine.engine.store_protocol import Store, Tally

Verdict = Literal["complete", "torn tail", "incomplete"]

# Files of the new directory, beside its data.
REPORT_NAME: Final = "SALVAGE.json"
LOST_NAME: Final = "SALVAGE-LOST.jsonl"
_EXIT_CODES: Final[dict[Verdict, int]] = {"complete": 0, "torn tail": 1, "incomplete": 4}


class LostElements(msgspec.Struct, frozen=True, kw_only=True, tag="elements", tag_field="lost"):
    """A value of several entries that has only `found` of the `told` ones left (or found more)."""

    key: str
    meaning: str
    told: int
    found: int


class KeyRules(NamedTuple):
    """What a salvage must know of the keys, which mean nothing to the engine.

    `essential`: without them the others cannot be understood. `derived`: the further entries that a
    present entry (key, head) implies, to be made again where they may be lost. `key_count`: how
    many keys users see, from the counters of `tally` and a function that reads stored values.
    `describe`: a stored key, for people. `mend`: makes values of several entries whole again after
    some of those were lost, calls its second argument now and then to get the changes written, and
    tells which values have lost something.
    """

    tally: Tally
    essential: tuple[bytes, ...]
    derived: Callable[[bytes, bytes], tuple[tuple[bytes, bytes], ...]]
    mend: Callable[[Store, Callable[[], None]], Iterator[LostElements]]
    key_count: Callable[[Mapping[bytes, int], Callable[[bytes], bytes | None]], int]
    describe: Callable[[bytes], str]


class LostKey(msgspec.Struct, frozen=True, kw_only=True, tag="key", tag_field="lost"):
    """A key whose value could not be read, and where that would lie; `key` is hexadecimal."""

    key: str
    meaning: str
    path: str
    offset: int
    reason: str


class LostRange(msgspec.Struct, frozen=True, kw_only=True, tag="range", tag_field="lost"):
    """No key from `first` up to, not including, `end` (None: the last) came from the index.

    What the replayed log says about keys in there is kept. Keys are hexadecimal.
    """

    first: str
    end: str | None
    meaning: str
    path: str
    offset: int
    reason: str


class RecordsBehind(msgspec.Struct, frozen=True):
    """Intact log records that were not applied, because the one before them is not there."""

    records: int
    first_lsn: int
    last_lsn: int


class SalvageReport(msgspec.Struct, frozen=True, kw_only=True):
    """The new directory holds the state after `last_lsn`, without `lost_keys` and `lost_ranges`.

    `mended` are the collections of which some elements were among those.

    If `newer_up_to_lsn` is not 0, some of its keys are as a lost record up to that LSN left them.
    `applied_lsn` is that of the old index, None where it could not be read. The lists hold the
    first of each kind; `LOST_NAME` in the new directory has all of them.
    """

    source: str
    target: str
    verdict: Verdict
    index_used: bool
    applied_lsn: int | None
    replayed_from_lsn: int
    records_replayed: int
    last_lsn: int
    newer_up_to_lsn: int
    stored_keys: int
    records_behind: RecordsBehind
    lost_key_count: int
    lost_keys: tuple[LostKey, ...]
    lost_range_count: int
    lost_ranges: tuple[LostRange, ...]
    mended_count: int
    mended: tuple[LostElements, ...]
    findings: tuple[Finding, ...]
    findings_left_out: int

    @property
    def exit_code(self) -> int:
        """The exit code of `kiwi-engine recover --salvage`."""
        return _EXIT_CODES[self.verdict]
