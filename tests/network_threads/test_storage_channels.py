"""One storage process and the channels of three network processes, which are played by hand."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi_engine.channel.events import Invalidated, Monitored, Published, ScriptIsSlow, WatchBroken
from kiwi_engine.channel.frames import RunFlags
from tests.support.servers import wait_until
from tests.support.storage_channels import Channel, StorageChannels, storage_channels

COUNT = 3
PUBLISH = "eval \"return redis.call('publish','news','hi')\" 0"
NOTHING = b"$-1\r\n"
BUSY = b"-BUSY Redis is busy running a script."


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageChannels]:
    """One process for most tests; their keys do not meet, and their workers are new ones."""
    directory = tmp_path_factory.mktemp("channels") / "data"
    with storage_channels(directory, COUNT, busy_reply_threshold=50) as running:
        running.primary.wait_for_hello()
        yield running


class Processes:
    """The network processes of a test."""

    generation = 0

    def __init__(self, storage: StorageChannels) -> None:
        self._storage = storage
        self.primary = storage.primary
        self.workers = [self.successor(number) for number in range(1, COUNT)]
        self.primary.events.clear()

    def successor(self, number: int) -> Channel:
        Processes.generation += 1
        made = self._storage.connect(number, Processes.generation)
        made.wait_for_hello()
        return made

    @property
    def all(self) -> list[Channel]:
        return [self.primary, *self.workers]


@pytest.fixture
def processes(storage: StorageChannels) -> Iterator[Processes]:
    made = Processes(storage)
    yield made
    for worker in made.workers:
        worker.socket.close()


def waiting_keys(channel: Channel) -> int:
    count: int = channel.query("stats")["clients"]["total_blocking_keys"]
    return count


def test_replies_go_to_whoever_has_asked(processes: Processes) -> None:
    """Each channel refuses what is not its own, see `Channel.receive`."""
    sent = [
        (channel, channel.send(f"set owner:{turn} {number}", f"get owner:{turn}"), number)
        for turn in range(20)
        for number, channel in enumerate(processes.all)
    ]
    for channel, run_id, number in sent:
        assert channel.reply(run_id) == b"+OK\r\n$1\r\n%d\r\n" % number
    for channel in processes.all:
        assert channel.query("durability", sync=False)["written"] > 0
        assert channel.query("ping", is_urgent=True) is True


# ---- events, and who wants them


def test_events_go_to_all_and_receivers_are_those_of_all(processes: Processes) -> None:
    primary, first, second = processes.all
    first.query("subscribers", channels={b"news": 2}, patterns={b"n*": 1})
    second.query("subscribers", channels={b"news": 3})
    second.query("subscribers", channels={b"news": 4})
    assert primary.ask(PUBLISH) == b":7\r\n"
    for channel in processes.all:
        assert channel.event(Published) == Published(b"news", b"hi")
    second.socket.close()
    wait_until(lambda: primary.ask(PUBLISH) == b":3\r\n", "the end of the second one's subscribers")


def test_what_one_process_wants_is_not_ended_by_others(processes: Processes) -> None:
    primary, first, second = processes.all
    for channel in (first, second):
        channel.query("monitor_scripts", wanted=True)
        channel.query("tracking", anybody=True, all_keys=channel is first)
    second.query("monitor_scripts", wanted=False)
    second.query("tracking", anybody=False, all_keys=False)
    primary.ask("eval \"return redis.call('set','wanted','1')\" 0")
    for channel in processes.all:
        assert channel.event(Invalidated).key == b"wanted"
        assert channel.event(Monitored).words == [b"set", b"wanted", b"1"]
    first.socket.close()
    wait_until(lambda: not tells_of_changes(primary), "the end of what it wanted")


def tells_of_changes(channel: Channel) -> bool:
    """Whether anybody is told of what a script calls and changes."""
    channel.ask("eval \"return redis.call('incr','wanted')\" 0")
    # Its answer comes behind the events.
    channel.query("durability", sync=False)
    told, channel.events = channel.events, []
    return bool(told)


# ---- a process ends


def test_nothing_waits_for_a_process_that_has_ended(processes: Processes) -> None:
    primary, first, second = processes.all
    first.send("blpop queue 0", flags=RunFlags.BLOCKING)
    stays = second.send("blpop other 0", flags=RunFlags.BLOCKING)
    wait_until(lambda: waiting_keys(primary) == 2, "two who wait")
    first.socket.close()
    wait_until(lambda: waiting_keys(primary) == 1, "the end of one of them")
    assert primary.ask("rpush queue 1", "llen queue") == b":1\r\n:1\r\n"
    assert primary.ask("rpush other 1") == b":1\r\n"
    assert second.reply(stays) == b"*2\r\n$5\r\nother\r\n$1\r\n1\r\n"


def test_what_it_watched_and_tracked_is_forgotten(processes: Processes) -> None:
    primary, first, second = processes.all
    first.ask("watch seen", connection=1)
    first.ask("mget seen other", connection=2, flags=RunFlags.TRACKED)
    second.ask("watch seen")
    second.ask("get seen", connection=1, flags=RunFlags.TRACKED)
    first.socket.close()
    wait_until(lambda: tracked_items(primary) == 1, "the end of what it had tracked")
    primary.ask("set seen 1")
    (broken, invalidated) = (primary.event(WatchBroken), primary.event(Invalidated))
    assert broken == WatchBroken([second.source()])
    assert invalidated == Invalidated(b"seen", [second.source(1)], primary.source())


def tracked_items(channel: Channel) -> int:
    count: int = channel.query("stats")["stats"]["tracking_total_items"]
    return count


def test_what_it_had_sent_as_a_whole_is_executed(processes: Processes) -> None:
    primary, first, _ = processes.all
    for number in range(100):
        first.send(f"rpush left {number}")
    first.socket.close()
    wait_until(lambda: primary.ask("llen left") == b":100\r\n", "all that it had sent")


def test_a_successor_has_its_number_and_nothing_of_its_state(processes: Processes) -> None:
    primary, first, _ = processes.all
    first.query("subscribers", channels={b"news": 2})
    first.send("blpop handed 0", flags=RunFlags.BLOCKING)
    first.ask("watch watched", connection=1)
    successor = processes.successor(1)
    with pytest.raises(EOFError):
        first.receive()
    assert waiting_keys(primary) == 0
    assert primary.ask(PUBLISH) == b":0\r\n"
    assert successor.ask("rpush handed 1", "llen handed") == b":1\r\n:1\r\n"
    assert successor.event(Published) == Published(b"news", b"hi")
    successor.socket.close()


# ---- processes that are slow, and those that wait for them


def test_nobody_waits_for_a_process_that_reads_nothing(processes: Processes) -> None:
    primary, first, second = processes.all
    primary.ask(f"set large {'x' * 100_000}")
    wanted = [second.send("get large", connection=number) for number in range(200)]
    for _ in range(20):
        assert first.ask("get large").startswith(b"$100000\r\n")
        assert primary.ask("get nothing") == NOTHING
    for run_id in wanted:
        assert len(second.reply(run_id)) == 100_000 + len(b"$100000\r\n\r\n")
    assert list(second.replies)[-len(wanted) :] == wanted, "in their order"


def test_a_slow_script_is_killed_from_another_process(processes: Processes) -> None:
    primary, first, second = processes.all
    first.send('eval "while true do end" 0')
    for channel in processes.all:
        assert channel.event(ScriptIsSlow) == ScriptIsSlow(True)
    wait_until(lambda: primary.ask("get k").startswith(BUSY), "BUSY")
    assert second.ask("get k").startswith(BUSY)
    assert second.query("ping", is_urgent=True) is True
    newcomer = processes.successor(1)
    assert newcomer.ask("get k").startswith(BUSY)
    assert second.ask("script kill") == b"+OK\r\n"
    assert second.event(ScriptIsSlow) == ScriptIsSlow(False)
    assert newcomer.ask("get nothing") == NOTHING
    newcomer.socket.close()


def test_who_stops_ends_the_waits_of_its_own(processes: Processes) -> None:
    primary, first, second = processes.all
    ended = first.send("blpop stopping 0", flags=RunFlags.BLOCKING)
    stays = second.send("blpop stopping 0", flags=RunFlags.BLOCKING)
    wait_until(lambda: second.query("stats")["clients"]["total_blocking_keys"] == 1, "both")
    first.query("finish_runs")
    assert first.reply(ended) == b""
    assert first.ask("blpop stopping 0", flags=RunFlags.BLOCKING) == b""
    primary.ask("rpush stopping 1")
    assert second.reply(stays) == b"*2\r\n$8\r\nstopping\r\n$1\r\n1\r\n"


# ---- the doorway


def test_nonsense_at_the_doorway_does_no_harm(
    storage: StorageChannels, processes: Processes
) -> None:
    for number in (0, COUNT, 65_535):
        with storage.connect(number).socket as refused:
            assert refused.recv(1) == b"", "it is closed"
    storage.doorway.send(b"nonsense")
    with open("/dev/null") as no_socket:
        socket.send_fds(storage.doorway, [b"\x01\x00"], [no_socket.fileno()])
    assert [channel.ask("get nothing") for channel in processes.all] == [NOTHING] * COUNT


# ---- the end of all


def test_an_orderly_stop_executes_what_all_have_sent(tmp_path: Path) -> None:
    with storage_channels(tmp_path / "data", COUNT) as storage:
        worker = storage.connect(1)
        worker.wait_for_hello()
        storage.doorway.close()
        for number in range(1000):
            worker.send(f"rpush left {number}")
        worker.socket.close()
        assert storage.stop() == 0
    with storage_channels(tmp_path / "data", COUNT) as storage:
        storage.primary.wait_for_hello()
        assert storage.primary.ask("llen left") == b":1000\r\n"
        orphan = storage.connect(2)
        assert orphan.ask("set last 1") == b"+OK\r\n", "also in front of the hello"
        storage.primary.socket.close()
        assert storage.process.wait(30) == 0
        with orphan.socket, pytest.raises(EOFError):
            orphan.receive()
