"""HyperLogLogs; that they are Redis' byte for byte is for the differential tests."""

from __future__ import annotations

from random import Random

import pytest

from kiwi_engine.keyspace.hyperloglog import registers, sparse
from kiwi_engine.keyspace.hyperloglog import sketch as sketches
from kiwi_engine.keyspace.hyperloglog.sparse import CorruptRunsError, Raised, SparseRegisters

# Where Redis 7.0 puts elements of all lengths around a block of the hash: (register, rank).
PLACES = {
    b"": (5938, 2),
    b"a": (12711, 2),
    b"abcdefgh": (1383, 1),
    b"abcdefghi": (6903, 1),
    b"0123456789abcdefX": (11257, 1),
}
# What PFCOUNT of Redis 7.0 says of `element:0`, `element:1`, ...
ESTIMATES = {
    0: 0, 1: 1, 2: 2, 10: 10, 100: 99, 1000: 997, 5000: 5005, 10_000: 10_017, 50_000: 49_716,
}  # fmt: skip
NO_LIMIT = 100_000


def with_elements(count: int, sparse_bytes_max: int = 3000) -> bytes:
    elements = [b"element:%d" % number for number in range(count)]
    return sketches.add(sketches.empty(), elements, sparse_bytes_max) or sketches.empty()


def random_registers(seed: int) -> bytes:
    return bytes(Random(seed).choices(range(registers.RANK_MAX + 1), k=registers.REGISTERS))


@pytest.mark.parametrize("element", PLACES)
def test_an_element_belongs_to_the_register_that_redis_gives_it(element: bytes) -> None:
    assert registers.index_and_rank(element) == PLACES[element]


@pytest.mark.parametrize("count", ESTIMATES)
@pytest.mark.parametrize("limit", [0, 3000])
def test_estimates_are_those_of_redis(count: int, limit: int) -> None:
    value = with_elements(count, limit)
    assert sketches.is_sparse(value) == (count == 0 or (limit > 0 and count < 5000))
    assert registers.estimate(sketches.registers_of(value)) == ESTIMATES[count]


def test_estimates_at_the_extremes() -> None:
    assert registers.estimate(registers.EMPTY) == 0
    for rank in (registers.RANK_MAX - 1, registers.RANK_MAX, 63):
        made_up = bytes((rank,)) * registers.REGISTERS
        assert registers.estimate(made_up) == registers.ESTIMATE_MAX
    assert 2**60 < registers.estimate(b"\x2f" * registers.REGISTERS) < registers.ESTIMATE_MAX


@pytest.mark.parametrize(
    ("parts", "estimate"),
    [
        ([(51, 100), (3, 16_284)], 95_129),
        ([(51, 16_000), (32, 384)], 2_165_714_327_440_808),
        ([(51, 16_383), (0, 1)], 193_623_433),
        ([(63, 8000), (3, 8384)], 184_766),  # higher than any rank: does not count
    ],
)
def test_made_up_registers_are_estimated_as_redis_7_0_does(
    parts: list[tuple[int, int]], estimate: int
) -> None:
    made_up = b"".join(bytes((rank,)) * count for rank, count in parts)
    assert registers.estimate(made_up) == estimate


@pytest.mark.parametrize("seed", range(5))
def test_packing_and_merging_registers(seed: int) -> None:
    one, other = random_registers(seed), random_registers(seed + 100)
    assert registers.unpack(registers.pack(one)) == one
    assert len(registers.pack(one)) == registers.PACKED_BYTES
    assert registers.highest(one, other) == bytes(map(max, one, other))


@pytest.mark.parametrize("index", [0, 1, 2, 3, 4, 16_380, 16_381, 16_382, 16_383])
def test_raising_a_packed_register_leaves_its_neighbours(index: int) -> None:
    before = random_registers(index)
    packed = bytearray(b"head" + registers.pack(before))
    wanted = bytearray(before)
    wanted[index] = max(before[index], 40)
    assert registers.raise_packed(packed, 4, index, 40) == (before[index] < 40)
    assert not registers.raise_packed(packed, 4, index, 40)
    assert packed[:4] == b"head"
    assert registers.unpack(bytes(packed[4:])) == bytes(wanted)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spread", [50, 16_384])
def test_sparse_registers_against_a_list(seed: int, spread: int) -> None:
    """`spread` small: runs of equal values; large: long runs of zeros of both kinds."""
    random = Random(seed)
    wanted = bytearray(registers.REGISTERS)
    reused = SparseRegisters(sparse.zeros(registers.REGISTERS))
    for step in range(400):
        index, rank = random.randrange(spread), random.choice((1, 1, 2, 3, 31, 32))
        if step % 7 == 0:
            index = registers.REGISTERS - 1 - index
        fresh = SparseRegisters(bytes(reused.runs))
        raised = reused.raise_to(index, rank, NO_LIMIT)
        assert raised is (Raised.CHANGED if rank > wanted[index] else Raised.UNCHANGED)
        wanted[index] = max(rank, wanted[index])
        # Going on from the register before must not change what becomes of the runs.
        assert fresh.raise_to(index, rank, NO_LIMIT) is raised
        assert fresh.runs == reused.runs
    assert sparse.expand(bytes(reused.runs)) == bytes(wanted)
    lengths = [run.length for run in sparse.decode(bytes(reused.runs))]
    assert sum(lengths) == registers.REGISTERS


def test_equal_neighbours_are_joined() -> None:
    runs = SparseRegisters(sparse.zeros(registers.REGISTERS))
    for index in (1, 0, 2, 3, 4):
        runs.raise_to(index, 5, NO_LIMIT)
    found = [(run.rank, run.length) for run in sparse.decode(bytes(runs.runs))]
    assert found == [(5, 4), (5, 1), (0, registers.REGISTERS - 5)]


def test_a_register_that_does_not_fit_needs_the_dense_form_and_changes_nothing() -> None:
    runs = SparseRegisters(sparse.zeros(registers.REGISTERS))
    before = bytes(runs.runs)
    assert runs.raise_to(7, sparse.RANK_MAX + 1, NO_LIMIT) is Raised.NEEDS_DENSE
    assert runs.raise_to(7, 1, len(before)) is Raised.NEEDS_DENSE
    assert runs.raise_to(7, 1, len(before) + 1) is Raised.NEEDS_DENSE
    assert bytes(runs.runs) == before
    assert runs.raise_to(7, 1, len(before) + 2) is Raised.CHANGED


@pytest.mark.parametrize(
    "runs",
    [
        b"", b"\x00", b"\x7f\xfe", b"\x7f\xff\x00", b"\x7f\xff\x80", b"\x7f", b"\x40\x40\x7f\xff",
        b"\x83" * 4097, b"\x3f" * 256 + b"\x80", b"\x3f" * 255,
    ],
)  # fmt: skip
def test_runs_that_do_not_fit_are_corrupt(runs: bytes) -> None:
    with pytest.raises(CorruptRunsError):
        sparse.expand(runs)


@pytest.mark.parametrize("runs", [b"\x83" * 4096, b"\x3f" * 256, b"\x7f\xfe\x80", b"\x7e\xff\x7f"])
def test_runs_that_just_fit(runs: bytes) -> None:
    expected = registers.REGISTERS
    if runs == b"\x7e\xff\x7f":  # the second byte of the last run counts as 0
        expected = 0x3EFF + 1 + 0x3F00 + 1
        with pytest.raises(CorruptRunsError):
            sparse.expand(runs)
    assert sum(run.length for run in sparse.decode(runs)) == expected


def test_no_run_for_a_register_is_corrupt() -> None:
    runs = SparseRegisters(b"\x3f\x83")
    assert runs.raise_to(67, 5, NO_LIMIT) is Raised.CHANGED
    with pytest.raises(CorruptRunsError):
        runs.raise_to(68, 5, NO_LIMIT)


def test_adding_tells_whether_anything_changed() -> None:
    once = sketches.add(sketches.empty(), [b"a", b"b"], 3000)
    assert once is not None
    assert sketches.add(once, [b"b", b"a", b"a"], 3000) is None
    assert sketches.add(once, [], 3000) is None
    dense = sketches.to_dense(once)
    assert sketches.add(dense, [b"a", b"b"], 3000) is None
    assert sketches.add(dense, [b"c"], 3000) not in (None, dense)


def test_what_is_too_large_becomes_dense_in_the_middle_of_its_elements() -> None:
    value = with_elements(300, sparse_bytes_max=200)
    assert len(value) == sketches.DENSE_BYTES
    assert not sketches.is_sparse(value)
    assert sketches.registers_of(value) == sketches.registers_of(with_elements(300))


def test_the_estimate_is_kept_until_a_register_is_raised() -> None:
    value = with_elements(3)
    assert sketches.cached_cardinality(value) is None
    value = sketches.with_cardinality(value, 3)
    assert sketches.cached_cardinality(value) == 3
    assert sketches.cached_cardinality(sketches.to_dense(value)) == 3
    more = sketches.add(value, [b"another"], 3000)
    assert more is not None
    assert sketches.cached_cardinality(more) is None


@pytest.mark.parametrize("is_dense", [False, True])
def test_merging_gives_the_registers_of_the_union(is_dense: bool) -> None:
    one = with_elements(40)
    other = sketches.add(sketches.empty(), [b"other:%d" % n for n in range(50)], 3000)
    assert other is not None
    union = registers.highest(sketches.registers_of(one), sketches.registers_of(other))
    merged = sketches.merge(one, union, is_dense, 3000)
    assert sketches.is_sparse(merged) != is_dense
    assert sketches.registers_of(merged) == union
    assert sketches.cached_cardinality(merged) is None
    again = sketches.merge(sketches.with_cardinality(merged, 90), union, is_dense, 3000)
    assert sketches.registers_of(again) == union
    assert sketches.cached_cardinality(again) is None, "a merge always makes the estimate outdated"


@pytest.mark.parametrize(
    "value",
    [
        b"", b"HYLL", b"HYLL" + bytes(11), b"hyll\x01" + bytes(20), b"HYLL\x02" + bytes(20),
        b"HYLL" + bytes(sketches.DENSE_BYTES - 5), b"HYLL" + bytes(sketches.DENSE_BYTES - 3),
    ],
)  # fmt: skip
def test_what_is_no_hyperloglog(value: bytes) -> None:
    assert not sketches.is_valid(value)
    assert sketches.is_valid(sketches.empty())
    assert sketches.is_valid(sketches.to_dense(sketches.empty()))


def test_runs_as_text() -> None:
    value = sketches.empty()[:16] + sparse.zeros(3) + sparse.values(7, 2) + sparse.zeros(16_379)
    assert sketches.runs_text(value) == "z:3 v:7,2 Z:16379"
