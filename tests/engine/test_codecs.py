"""The small formats of the engine: layout file, state, stored values. Golden bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.engine.layout import (
    Layout,
    Paths,
    check_layout,
    create_layout,
    decode_layout,
    encode_layout,
    read_layout,
)
from kiwi_engine.engine.state import IndexState, decode_state, encode_state
from kiwi_engine.engine.stored import decode_stored, encode_stored, head_of
from kiwi_engine.errors import CorruptionError, LayoutError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.fault_plan import Recorder
from kiwi_engine.vlog.separated import LargeValue, Separated

POINTER = bytes(range(20))
LAYOUT_BYTES = (
    b'kiwi-engine layout\n{"layout":2,"wal":1,"values":1,"changes":2,"keys":1,'
    b'"identity":"00112233445566778899aabbccddeeff"}\ncrc32c 4eec95e8\n'
)
LAYOUT = Layout(identity="00112233445566778899aabbccddeeff")
STATE = IndexState(
    applied_lsn=258, reached_lsn=259, counters={b"k": 3, b"zero": 0}, discards=bytes(12)
)
STATE_BYTES = bytes.fromhex("84 ab6170706c6965645f6c736e cd0102 ab726561636865645f6c736e cd0103")


def test_the_layout_file() -> None:
    assert encode_layout(LAYOUT) == LAYOUT_BYTES
    assert decode_layout(LAYOUT_BYTES, "LAYOUT") == LAYOUT


@pytest.mark.parametrize("at", range(len(LAYOUT_BYTES)))
def test_each_flipped_byte_of_the_layout_file_is_seen(at: int) -> None:
    damaged = LAYOUT_BYTES[:at] + bytes([LAYOUT_BYTES[at] ^ 1]) + LAYOUT_BYTES[at + 1 :]
    with pytest.raises(CorruptionError):
        decode_layout(damaged, "LAYOUT")


def test_other_versions_are_refused_by_name_all_at_once() -> None:
    with pytest.raises(LayoutError) as caught:
        check_layout(Layout(wal=2, keys=9), "/data/LAYOUT")
    assert str(caught.value) == (
        "/data/LAYOUT: wal version 2 (this build reads 1), keys version 9 (this build reads 1)"
    )


def test_the_directories_are_durable_before_the_file_that_names_them() -> None:
    fs = CrashFs()
    fs.make_directory("/data")
    fs.watch = recorder = Recorder()
    create_layout(fs, Paths("/data"))
    assert recorder.lines() == [
        "make-directory wal",
        "make-directory vlog",
        "make-directory index",
        "sync-directory data",
        "sync-directory /",
        "create LAYOUT.new",
        f"write LAYOUT.new {len(LAYOUT_BYTES)}",
        "sync LAYOUT.new",
        "rename LAYOUT",
        "sync-directory data",
    ]
    layout = read_layout(fs, Paths("/data"))
    assert layout == Layout(identity=layout.identity if layout else "")
    assert len(layout.identity) == len(LAYOUT.identity)


def test_a_directory_of_another_place_has_a_parent() -> None:
    assert Paths("/var/lib/kiwi").parent == "/var/lib"
    assert Paths("/data/").parent == "/"
    assert Paths("kiwi-data").parent == Paths("./kiwi-data").parent != ""


def test_the_state() -> None:
    encoded = encode_state(STATE)
    assert encoded.startswith(STATE_BYTES)
    assert decode_state(encoded) == IndexState(
        applied_lsn=258, reached_lsn=259, counters={b"k": 3}, discards=bytes(12)
    )
    assert decode_state(None) == IndexState()


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xc1",
        STATE_BYTES,
        msgspec.msgpack.encode([1]),
        encode_state(IndexState(discards=bytes(11))),
    ],
)
def test_a_damaged_state_is_corruption(damaged: bytes) -> None:
    with pytest.raises(CorruptionError, match="state is damaged"):
        decode_state(damaged)


def test_stored_values() -> None:
    assert encode_stored(b"") == b"\x00"
    assert encode_stored(b"abc") == b"\x00abc"
    assert encode_stored(Separated(POINTER, b"head")) == b"\x01" + POINTER + b"head"
    large = LargeValue(b"0123456789abcdefXYZ")
    large.pointer = POINTER
    assert encode_stored(large) == b"\x01" + POINTER + b"0123456789abcdef"
    assert head_of(large) == b"0123456789abcdef"


def test_a_value_without_a_pointer_is_not_stored() -> None:
    with pytest.raises(AssertionError, match="only durable entries"):
        encode_stored(LargeValue(b"value"))


@given(st.binary(max_size=60))
def test_stored_values_round_trip(value: bytes) -> None:
    assert decode_stored(encode_stored(value)) == value
    separated = decode_stored(encode_stored(Separated(POINTER, value[:16])))
    assert isinstance(separated, Separated)
    assert (separated.pointer, head_of(separated)) == (POINTER, value[:16])


@pytest.mark.parametrize("damaged", [b"", b"\x02abc", b"\x01" + POINTER[:-1], b"\xff"])
def test_damaged_stored_values_are_corruption(damaged: bytes) -> None:
    with pytest.raises(CorruptionError, match="a stored value begins with"):
        decode_stored(damaged)
