"""An index that a test holds in its hands, for an engine to open (pure)."""

from __future__ import annotations

from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.state import STATE_KEY, IndexState, decode_state
from kiwi_engine.index.protocol import Index


class GivenIndex:
    """An `engine.recovery.index_access.IndexAccess` that finds `index` in whatever directory."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def read_state(self, path: str, settings: EngineSettings) -> IndexState:
        return decode_state(self._index.get(STATE_KEY))

    def open(self, path: str, settings: EngineSettings) -> Index:
        return self._index
