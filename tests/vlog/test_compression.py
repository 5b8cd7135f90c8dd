"""When values are compressed, and what decompression refuses."""

from __future__ import annotations

from random import Random

import pytest
import zstandard

from kiwi_engine.vlog.compression import Compressor, decompress

REPETITIVE = b"abcdefgh" * 100
RANDOM = Random(1).randbytes(800)


def test_compressed_only_where_it_helps() -> None:
    compressor = Compressor(enabled=True)
    stored = compressor.compress(REPETITIVE)
    assert stored is not None
    assert len(stored) < 100
    assert decompress(stored, len(REPETITIVE)) == REPETITIVE
    assert compressor.compress(RANDOM) is None
    assert compressor.compress(b"a" * 63) is None
    assert Compressor(enabled=False).compress(REPETITIVE) is None


def test_saving_less_than_an_eighth_is_not_worth_it() -> None:
    compressor = Compressor(enabled=True)
    assert compressor.compress(RANDOM + bytes(60)) is None
    assert compressor.compress(RANDOM + bytes(200)) is not None


def test_incompressible_values_are_tried_less_often_until_one_shrinks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compressor = Compressor(enabled=True)
    tried = 0

    class Counting:
        def compress(self, value: bytes) -> bytes:
            nonlocal tried
            tried += 1
            return zstandard.ZstdCompressor(level=1).compress(value)

    monkeypatch.setattr(compressor, "_zstd", Counting())
    for _ in range(8 + 64):
        assert compressor.compress(RANDOM) is None
    assert tried == 8 + 2
    while compressor.compress(REPETITIVE) is None:
        pass
    assert tried == 8 + 3
    assert compressor.compress(REPETITIVE) is not None


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"not zstd",
        zstandard.ZstdCompressor().compress(b"other length"),
        zstandard.ZstdCompressor(write_content_size=False).compress(b"five5"),
        zstandard.ZstdCompressor().compress(b"five5")[:-1],
    ],
)
def test_anything_but_a_whole_frame_of_the_length_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="compress"):
        decompress(stored, 5)


def test_an_empty_frame_is_an_empty_value() -> None:
    assert decompress(zstandard.ZstdCompressor().compress(b""), 0) == b""
