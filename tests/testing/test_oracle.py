"""The oracle accepts what a crash may leave behind and names everything else."""

from __future__ import annotations

import random

import pytest

from kiwi_engine.testing.oracle import Add, Change, Counter, Edit, Presence, Stream

A, B, C = b"a", b"b", b"c"


def acknowledged(stream: Stream, changes: dict[bytes, Change]) -> None:
    stream.acknowledge(stream.submit(changes))


def test_presence_has_three_values() -> None:
    stream = Stream("s")
    acknowledged(stream, {A: b"1"})
    stream.submit({B: b"2"})
    assert stream.presence(A) is Presence.PRESENT
    assert stream.presence(B) is Presence.MAYBE
    assert stream.presence(C) is Presence.ABSENT
    acknowledged(stream, {A: None})
    assert stream.presence(A) is Presence.ABSENT


def test_an_acknowledged_write_must_be_there() -> None:
    stream = Stream("s")
    acknowledged(stream, {A: b"1"})
    assert stream.settle({A: None}) == ["s: present key b'a': expected b'1', found nothing"]


def test_an_acknowledged_deletion_must_stay() -> None:
    stream = Stream("s")
    acknowledged(stream, {A: b"1"})
    acknowledged(stream, {A: None})
    assert stream.settle({A: b"1"}) == ["s: absent key b'a': expected nothing, found b'1'"]


def test_an_older_value_is_a_violation() -> None:
    stream = Stream("s")
    acknowledged(stream, {A: b"1"})
    acknowledged(stream, {A: b"2"})
    assert stream.settle({A: b"1"})


@pytest.mark.parametrize("found", [None, b"1", b"2"])
def test_writes_in_doubt_may_or_may_not_be_there(found: bytes | None) -> None:
    stream = Stream("s")
    stream.submit({A: b"1"})
    stream.submit({A: b"2"})
    assert stream.settle({A: found}) == []
    assert stream.latest(A) == found


def test_a_value_that_nobody_wrote_is_named() -> None:
    stream = Stream("s")
    stream.submit({A: b"1"})
    expected = "s: maybe key b'a': expected b'1' or nothing, found b'9'"
    assert stream.settle({A: b"9"}) == [expected]


def test_a_torn_request_is_found() -> None:
    stream = Stream("s")
    stream.submit({A: b"1", B: b"1"})
    (violation,) = stream.settle({A: b"1", B: None})
    assert "torn" in violation


def test_a_later_write_may_not_outlive_an_earlier_one() -> None:
    stream = Stream("s")
    stream.submit({A: b"1"})
    stream.submit({B: b"1"})
    (violation,) = stream.settle({A: None, B: b"1"})
    assert "outlived" in violation


def test_writes_acknowledged_behind_doubtful_ones_count_on_top() -> None:
    stream = Stream("s")
    stream.submit({A: b"1", B: b"1"})
    acknowledged(stream, {B: b"2"})
    assert stream.acknowledged_count == 1
    assert stream.settle({A: None, B: b"2"}) == []
    stream.submit({A: b"3"})
    acknowledged(stream, {B: b"4"})
    assert stream.settle({A: b"3", B: b"1"}) == ["s: present key b'b': expected b'4', found b'1'"]


def test_a_refused_write_may_not_appear() -> None:
    stream = Stream("s")
    stream.refuse(stream.submit({A: b"1"}))
    assert stream.presence(A) is Presence.ABSENT
    assert stream.settle({A: b"1"})


def test_additions_follow_what_was_applied() -> None:
    stream = Stream("s")
    acknowledged(stream, {A: Add(2)})
    stream.submit({A: Add(1)})
    stream.submit({A: Add(1)})
    assert stream.latest(A) == b"4"
    assert stream.settle({A: b"3"}) == []
    assert stream.settle({A: b"5"})


def test_after_a_settlement_the_observed_values_are_certain() -> None:
    stream = Stream("s")
    stream.submit({A: b"1"})
    assert stream.settle({A: b"1"}) == []
    assert stream.presence(A) is Presence.PRESENT
    assert stream.settle({A: None})


def test_a_second_answer_is_a_bug_of_the_caller() -> None:
    stream = Stream("s")
    write = stream.submit({A: b"1"})
    stream.acknowledge(write)
    with pytest.raises(AssertionError, match="once"):
        stream.refuse(write)


def test_keys_in_doubt_must_be_read_back() -> None:
    stream = Stream("s")
    stream.submit({A: b"1"})
    with pytest.raises(AssertionError, match="read back"):
        stream.settle({})


def test_a_long_value_is_shortened_in_messages() -> None:
    stream = Stream("s")
    acknowledged(stream, {A: b"x" * 1000})
    (violation,) = stream.settle({A: None})
    assert "(1000 bytes)" in violation
    assert len(violation) < 200


@pytest.mark.parametrize("seed", range(20))
def test_every_true_crash_state_is_accepted_and_lost_tails_are_not(seed: int) -> None:
    print(f"replay: seed {seed}")
    rng = random.Random(seed)
    stream, states = Stream("s"), [dict.fromkeys([A, B, C])]
    acknowledged_through = 0
    for number in range(1, 60):
        changes = {key: b"%d" % number for key in (A, B, C) if rng.random() < 0.5}
        write = stream.submit(changes)
        states.append({**states[-1], **changes})
        if acknowledged_through == number - 1 and rng.random() < 0.9:
            stream.acknowledge(write)
            acknowledged_through = number
    cut = rng.randrange(len(states))
    allowed = states[acknowledged_through:]
    assert (stream.settle(states[cut]) == []) == (states[cut] in allowed)


def test_an_edit_depends_on_what_is_there() -> None:
    def pop(value: bytes | None) -> bytes | None:
        return (value or b"")[1:] or None

    stream = Stream("s")
    acknowledged(stream, {A: b"abc"})
    acknowledged(stream, {A: Edit(pop)})
    stream.refuse(stream.submit({A: Edit(pop)}))
    stream.submit({A: Edit(pop)})
    assert stream.latest(A) == b"c"
    assert len(stream.settle({A: None})) == 1
    stream.submit({A: b"xy"})
    stream.submit({A: Edit(pop)})
    assert stream.settle({A: b"y"}) == []


def test_a_passage_accepts_each_state_that_was_and_no_other() -> None:
    stream = Stream("s")
    acknowledged(stream, {A: b"1"})
    passage = stream.follow()
    acknowledged(stream, {B: b"1"})
    stream.refuse(stream.submit({A: b"refused"}))
    acknowledged(stream, {A: b"2", B: b"2"})
    stream.submit({B: Add(5)})
    states: tuple[tuple[bytes | None, bytes | None], ...]
    states = ((b"1", None), (b"1", b"1"), (b"2", b"2"), (b"2", b"7"))
    for state in states:
        assert passage.judge(dict(zip((A, B), state, strict=True))) == []
    for other in ((None, None), (b"1", b"2"), (b"refused", b"1"), (b"2", b"1")):
        assert len(passage.judge(dict(zip((A, B), other, strict=True)))) == 1
    assert passage.keys() == {A, B}


def test_a_passage_may_be_cut_short() -> None:
    stream = Stream("s")
    passage = stream.follow()
    for number in (b"1", b"2", b"3"):
        acknowledged(stream, {A: number})
    assert passage.judge({A: b"2"}, writes_max=2) == []
    (violation,) = passage.judge({A: b"3"}, writes_max=2)
    assert violation == "s: no state that ever was; at best these differ: b'a' b'3'"


def test_a_passage_ends_when_nobody_follows() -> None:
    stream = Stream("s")
    first, second = stream.follow(), stream.follow()
    acknowledged(stream, {A: b"1"})
    stream.unfollow()
    acknowledged(stream, {A: b"2"})
    assert len(first.writes) == len(second.writes) == 1
    with pytest.raises(AssertionError, match="nothing is under way"):
        stream.submit({A: b"3"})
        stream.follow()


def test_the_counter_bounds_its_value() -> None:
    counter = Counter("c")
    for number in (1, 2, 3):
        counter.submit()
        assert counter.acknowledge(number) == []
    counter.submit()
    assert counter.settle(4) == []
    assert counter.settle(5) == ["c: expected 4 to 4, found 5"]


def test_a_lost_increment_is_found() -> None:
    counter = Counter("c")
    counter.submit()
    counter.acknowledge(7)
    assert counter.settle(6)
    counter.submit()
    assert "given out twice" in counter.acknowledge(7)[0]


def test_a_refused_increment_does_not_count() -> None:
    counter = Counter("c")
    counter.submit()
    counter.refuse()
    assert counter.settle(1) == ["c: expected 0 to 0, found 1"]


def test_a_passage_learns_which_writes_in_doubt_were_made() -> None:
    """A crash in the middle of it: the first of them was made, the others were not."""
    stream = Stream("c")
    passage = stream.follow()
    for value in (b"1", b"2", b"3"):
        stream.submit({A: value, B: Add(1)})
    assert stream.settle({A: b"1", B: b"1"}) == []
    stream.acknowledge(stream.submit({B: Add(1)}))
    assert passage.judge({A: b"1", B: b"2"}) == []
    assert len(passage.judge({A: b"3", B: b"4"})) == 1
