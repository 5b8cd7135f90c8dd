"""Which commands go on waiting when the storage runtime has died."""

from __future__ import annotations

from kiwi_engine.server.network.lost_runs import GivenUp, Touched, still_waiting
from kiwi_engine.server.network.slots import ReplyLine, Slot


def slot(line: str, db: int = 0) -> Slot:
    return Slot(ReplyLine(lambda encoded: None), [line.encode().split()], db)


def touched_by(*slots: Slot) -> Touched:
    touched = Touched()
    for each in slots:
        touched.add(each)
    return touched


def kept(waiting: list[str], writes: list[str], *, unknown: tuple[str, ...] = ()) -> list[str]:
    """The command lines that go on waiting; of those in `unknown` it is not known that they do."""
    touched = touched_by(*map(slot, writes))
    slots = [(slot(line), line not in unknown) for line in waiting]
    return [b" ".join(each.commands[0]).decode() for each in still_waiting(slots, touched)]


def test_who_waits_for_other_keys_goes_on_waiting() -> None:
    waiting = ["blpop a b 0", "blpop c 0", "bzpopmin z 0"]
    assert kept(waiting, []) == waiting
    assert kept(waiting, ["rpush b x", "get c"]) == ["blpop c 0", "bzpopmin z 0"]
    assert kept(waiting, ["xreadgroup group g c streams z >"]) == ["blpop a b 0", "blpop c 0"]


def test_another_database_is_other_keys() -> None:
    touched = touched_by(slot("rpush a x", db=1))
    assert len(still_waiting([(slot("blpop a 0"), True)], touched)) == 1
    assert not still_waiting([(slot("blpop a 0", db=1), True)], touched)


def test_what_may_have_changed_anything_may_have_woken_anybody() -> None:
    for line in ("flushall", "swapdb 0 1", "eval script 1 k"):
        assert kept(["blpop a 0"], [line]) == [], line


def test_one_that_was_served_may_have_woken_the_next() -> None:
    chain = ["blpop c 0", "blmove b c left left 0", "brpoplpush a b 0", "blpop x 0"]
    assert kept(chain, ["rpush a 1"]) == ["blpop x 0"]


def test_one_that_may_not_have_waited_at_all_may_have_been_served() -> None:
    waiting = ["blmove a b left left 0", "blpop b 0", "blpop c 0"]
    assert kept(waiting, [], unknown=("blmove a b left left 0",)) == ["blpop c 0"]


def test_a_read_begins_anew_in_any_case() -> None:
    line = "xread block 0 streams s 5-1"
    assert kept([line], ["xadd s * f v", "flushall"], unknown=(line,)) == [line]


def test_what_was_given_up_counts_until_all_of_it_is_answered() -> None:
    given_up = GivenUp()
    for number, line in ((5, "rpush a x"), (6, "rpush b x")):
        late = slot(line)
        late.run_id = number
        given_up.add(late)
    given_up.answered(77)
    given_up.answered(5)
    touched = given_up.take()
    assert touched.includes(0, b"a")
    assert touched.includes(0, b"b")
    assert not given_up.take().includes(0, b"a"), "it is the next runtime's now"
    given_up.add(late)
    given_up.answered(6)
    assert not given_up.take().includes(0, b"b")


def test_keys_that_no_table_tells_count_too() -> None:
    assert kept(["blpop a 0", "blpop b 0", "blpop c 0"], ["sort a store b"]) == ["blpop c 0"]


def test_a_key_may_be_moved_to_another_database() -> None:
    for line in ("move a 1", "copy a b db 1"):
        assert not still_waiting([(slot("blpop a 0", db=1), True)], touched_by(slot(line))), line
    assert still_waiting([(slot("blpop c 0", db=1), True)], touched_by(slot("copy a b")))
