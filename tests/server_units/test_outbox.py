"""What leaves next: the order of runs and queries, the size of frames, and who is delayed."""

from __future__ import annotations

from kiwi_engine.channel.frames import Query
from kiwi_engine.server.network.slots import ReplyLine, Slot
from kiwi_engine.server.network.storage_client.outbox import Frame, Outbox


def new_line(source: int = 1) -> ReplyLine:
    return ReplyLine(lambda encoded: None, source)


def run(name: str, line: ReplyLine | None = None, size: int = 1) -> Slot:
    return Slot(new_line() if line is None else line, [[name.encode()]], size=size)


def query(identity: int, method: str = "save", **parameters: object) -> Query:
    return Query(identity, method, parameters)


def shown(frame: Frame | None) -> str:
    """Runs by their words, queries by their numbers, departures by their sources."""
    assert frame is not None
    runs = [words.decode() for slot in frame.slots for (words,) in slot.commands]
    parts = [
        " ".join(runs),
        " ".join(f"?{each.id}" for each in frame.queries),
        " ".join(f"-{source}" for source in frame.gone),
        " ".join(f"!{each.id}" for each in frame.urgent),
    ]
    return " | ".join(part for part in parts if part)


def frames(outbox: Outbox) -> list[str]:
    """All frames there are."""
    found = []
    while outbox:
        found.append(shown(outbox.next_frame()))
    assert outbox.next_frame() is None
    return found


def test_a_run_behind_a_query_begins_another_frame() -> None:
    outbox = Outbox()
    outbox.add(run("a"))
    outbox.ask(query(1), is_urgent=False)
    outbox.tell(query(2, "config_set"))
    outbox.add(run("b"))
    outbox.depart(7)
    outbox.add(run("c"))
    outbox.ask(query(3), is_urgent=False)
    outbox.depart(8)
    assert frames(outbox) == ["a | ?1 ?2", "b c | ?3 | -7", "-8"]


def test_urgent_queries_leave_first() -> None:
    outbox = Outbox()
    outbox.frame_commands = 1
    for name in "abc":
        outbox.add(run(name))
    assert shown(outbox.next_frame()) == "a"
    outbox.ask(query(1, "ping"), is_urgent=True)
    outbox.ask(query(2), is_urgent=False)
    assert frames(outbox) == ["b | !1", "c | ?2"]


def test_frames_are_bounded_in_commands_and_bytes() -> None:
    outbox = Outbox()
    outbox.frame_commands, outbox.frame_bytes = 3, 100
    for name, size in (("a", 1), ("b", 1), ("c", 1), ("d", 60), ("e", 60), ("f", 1), ("g", 1000)):
        outbox.add(run(name, size=size))
    assert frames(outbox) == ["a b c", "d e", "f g"]


def test_settings_that_follow_each_other_are_told_at_once() -> None:
    """Or a client that changes them without end would fill the memory while storage is stopped."""
    outbox = Outbox()
    assert not outbox.join("config_set", {"a": 1})
    outbox.tell(query(1, "config_set", a=1, b=1))
    assert outbox.join("config_set", {"b": 2, "c": 3})
    assert not outbox.join("tracking", {})
    outbox.add(run("a"))
    assert not outbox.join("config_set", {"a": 1}), "the run needs the old ones"
    frame = outbox.next_frame()
    assert frame is not None
    assert frame.queries == [query(1, "config_set", a=1, b=2, c=3)]
    outbox.tell(query(2, "unwatch", sources=[1]))
    assert outbox.join("unwatch", {"sources": [2]})
    outbox.tell(query(3, "acl_users", users=[]))
    assert not outbox.join("acl_users", {"users": []}), "each of them says something else"
    frame = outbox.next_frame()
    assert frame is not None
    assert frame.queries[0].parameters == {"sources": [1, 2]}


def test_what_is_behind_a_delayed_run_waits_with_it() -> None:
    outbox = Outbox()
    slow, other = new_line(1), new_line(2)
    outbox.add(run("write", slow))
    outbox.add(run("other", other))
    outbox.delayed.hold(slow, 50)
    outbox.collect_delayed()
    outbox.put_first([run("read", slow)])
    outbox.add(run("late", slow))
    outbox.add(run("more", other))
    outbox.depart(1)
    outbox.ask(query(1), is_urgent=False)
    assert outbox.waiting_runs() == 5
    assert frames(outbox) == ["other more"]
    assert outbox.delayed.next_due_ns() is None, "no pause begins without a storage runtime"
    outbox.release_due(10**9)
    assert frames(outbox) == []
    outbox.delayed.begin(100)
    assert outbox.delayed.next_due_ns() == 150
    outbox.release_due(149)
    assert frames(outbox) == []
    outbox.release_due(150)
    assert frames(outbox) == ["read write late | ?1 | -1"]
    outbox.add(run("next", slow))
    assert frames(outbox) == ["next"]


def test_pauses_begin_anew_and_the_longest_counts() -> None:
    outbox = Outbox()
    line = new_line()
    for pause_ns in (10, 30, 20):
        outbox.delayed.hold(line, pause_ns)
    outbox.put_first([run("read", line)])
    outbox.delayed.begin(0)
    outbox.delayed.stop()
    assert outbox.delayed.next_due_ns() is None
    outbox.delayed.begin(5)
    assert outbox.delayed.next_due_ns() == 35


def test_runs_and_queries_are_taken_out_wherever_they_wait() -> None:
    outbox = Outbox()
    delayed = new_line()
    outbox.delayed.hold(delayed, 1)
    kept, first, second = run("kept"), run("first"), run("second", delayed)
    for slot in (first, kept, second):
        outbox.add(slot)
    assert outbox.remove_runs(lambda slot: slot is not kept) == [first, second]
    assert not outbox.delayed.lines, "a connection without runs does not wait"
    outbox.delayed.hold(delayed, 1)
    outbox.ask(query(1), is_urgent=False)
    outbox.ask(query(2), is_urgent=True)
    outbox.tell(query(3))
    outbox.remove_queries(lambda each: True)
    outbox.delayed.begin(0)
    outbox.release_due(1)
    assert frames(outbox) == ["kept"]
