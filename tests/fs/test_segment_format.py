"""Names and headers of segments."""

from __future__ import annotations

import pytest

from kiwi_engine.checksum import crc32c
from kiwi_engine.errors import CorruptionError, LayoutError
from kiwi_engine.fs.segment_format import HEADER_BYTES, SegmentKind

KIND = SegmentKind(b"TESTTEST", 3, ".test", "test")


def test_names() -> None:
    assert KIND.name(7) == "0000000007.test"
    assert KIND.path("/d", 4_294_967_295) == "/d/4294967295.test"
    assert KIND.number("/d/0000000007.test") == 7
    with pytest.raises(ValueError, match="not named like a test segment"):
        KIND.number("/d/7.test")


def test_only_segments_have_numbers() -> None:
    names = ["0000000010.test", "0000000002.test", "0000000003.other", "x.test", "1.test", "LOCK"]
    assert KIND.numbers(names) == [2, 10]


def test_a_header_is_accepted_where_it_belongs() -> None:
    header = KIND.encode_header(7)
    assert len(header) == HEADER_BYTES
    KIND.check_header(header + b"more", "/d/0000000007.test")


def _sealed(body: bytes) -> bytes:
    return body + crc32c(body).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "the file ends inside the segment header"),
        (KIND.encode_header(7)[:-1], "the file ends inside the segment header"),
        (bytes(HEADER_BYTES), "segment header checksum mismatch"),
        (KIND.encode_header(8), "the file holds segment 8"),
        (KIND._replace(magic=b"OTHEROTH").encode_header(7), "not a test segment"),
    ],
)
def test_a_wrong_header_is_corruption(header: bytes, reason: str) -> None:
    with pytest.raises(CorruptionError) as damage:
        KIND.check_header(header, "/d/0000000007.test")
    assert (damage.value.offset, damage.value.reason) == (0, reason)


def test_another_version_is_refused_by_name() -> None:
    header = KIND._replace(version=4).encode_header(7)
    with pytest.raises(LayoutError, match="test format version 4; this build reads version 3"):
        KIND.check_header(header, "/d/0000000007.test")
