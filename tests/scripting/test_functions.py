"""FUNCTION and FCALL on the executor: what is stored, what can be called, and what is undone."""

from __future__ import annotations

from typing import Any, Final

import hiredis
import pytest

from kiwi_engine.commands.executor import Executor
from kiwi_engine.rdb import functions as function_payload
from kiwi_engine.testing.memory_store import MemoryStore
from tests.keyspace.helpers import NOW, new_keyspace, new_store

COUNTER: Final = """#!lua name=counter
local calls = 0
redis.register_function('count', function(keys, args)
  calls = calls + 1
  return {redis.call('incr', keys[1]), calls}
end)
redis.register_function{
  function_name = 'look',
  description = 'looks',
  flags = {'no-writes', 'allow-stale'},
  callback = function(keys) return redis.call('get', keys[1]) end,
}
"""
SINGLE: Final = "#!lua name={0}\nredis.register_function('{1}', function(keys, args) {2} end)"


class Functions:
    """One executor over one store; replies as Python has them."""

    def __init__(self, store: MemoryStore | None = None, database: int = 0) -> None:
        self.store = store or new_store()
        self.keyspace = new_keyspace(self.store)
        self.executor = Executor(self.keyspace)
        self._database = database

    def run(self, *words: str | bytes | int) -> Any:
        encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        reader = hiredis.Reader()
        reader.feed(self.executor.execute(self._database, False, [encoded], NOW)[0])
        return reader.gets()

    def error(self, *words: str | bytes | int) -> str:
        reply = self.run(*words)
        assert isinstance(reply, hiredis.ReplyError), f"{words} answered {reply!r}"
        return str(reply)

    def names(self) -> list[bytes]:
        return [library[1] for library in self.run("FUNCTION", "LIST")]


@pytest.fixture
def server() -> Functions:
    return Functions()


def single(library: str, function: str, body: str = "return 1") -> str:
    return SINGLE.format(library, function, body)


def test_functions_are_called_with_keys_and_arguments(server: Functions) -> None:
    assert server.run("FUNCTION", "LOAD", COUNTER) == b"counter"
    assert server.run("FCALL", "count", 1, "key") == [1, 1]
    assert server.run("FCALL", "COUNT", 1, "key") == [2, 2]
    assert server.run("FCALL_RO", "look", 1, "key") == b"2"
    assert server.error("FCALL_RO", "count", 1, "key") == (
        "ERR Can not execute a script with write flag using *_ro command."
    )
    assert server.error("FCALL", "nosuch", 0) == "ERR Function not found"


def test_a_library_lives_as_long_as_its_store(server: Functions) -> None:
    server.run("FUNCTION", "LOAD", COUNTER)
    server.run("FCALL", "count", 1, "key")
    assert server.run("FLUSHALL") == b"OK"
    again = Functions(server.store)
    assert again.run("FCALL", "count", 1, "key") == [1, 1]
    assert again.run("FUNCTION", "LIST") == server.run("FUNCTION", "LIST")


def test_what_a_library_is(server: Functions) -> None:
    server.run("FUNCTION", "LOAD", COUNTER)
    functions = [
        [b"name", b"count", b"description", None, b"flags", []],
        [b"name", b"look", b"description", b"looks", b"flags", [b"no-writes", b"allow-stale"]],
    ]
    listed = [b"library_name", b"counter", b"engine", b"LUA", b"functions", functions]
    assert server.run("FUNCTION", "LIST") == [listed]
    with_code = [*listed, b"library_code", COUNTER.encode()]
    assert server.run("FUNCTION", "LIST", "WITHCODE", "LIBRARYNAME", "C*R") == [with_code]
    assert server.run("FUNCTION", "LIST", "LIBRARYNAME", "x*") == []
    engines = [b"LUA", [b"libraries_count", 1, b"functions_count", 2]]
    assert server.run("FUNCTION", "STATS") == [b"running_script", None, b"engines", engines]


def test_replacing_takes_the_old_functions_away(server: Functions) -> None:
    server.run("FUNCTION", "LOAD", single("lib", "old"))
    assert "already exists" in server.error("FUNCTION", "LOAD", single("lib", "new"))
    assert server.run("FUNCTION", "LOAD", "REPLACE", single("lib", "new")) == b"lib"
    assert server.error("FCALL", "old", 0) == "ERR Function not found"
    assert server.run("FCALL", "new", 0) == 1


def test_a_library_that_cannot_be_loaded_changes_nothing(server: Functions) -> None:
    server.run("FUNCTION", "LOAD", single("one", "f", "return 'old'"))
    server.run("FUNCTION", "LOAD", single("two", "g"))
    before = server.store.snapshot()
    broken = single("one", "f", "return 'new'") + "\nlocal t = nil\nt.x = 1"
    assert server.error("FUNCTION", "LOAD", "REPLACE", broken) == (
        "ERR Error registering functions: ERR user_function:4:"
        " attempt to index local 't' (a nil value)"
    )
    assert server.error("FUNCTION", "LOAD", "REPLACE", single("one", "G")) == (
        "ERR Function G already exists"
    )
    assert server.error("FUNCTION", "LOAD", "REPLACE", "#!lua name=one\n") == (
        "ERR No functions registered"
    )
    assert server.run("FCALL", "f", 0) == b"old"
    assert server.store.snapshot() == before


def test_restoring_is_all_or_nothing(server: Functions) -> None:
    server.run("FUNCTION", "LOAD", single("one", "f", "return 'old'"))
    codes = [single("two", "g").encode(), single("one", "f", "return 'new'").encode()]
    payload = function_payload.seal(codes)
    assert server.error("FUNCTION", "RESTORE", payload) == "ERR Library one already exists"
    assert server.names() == [b"one"]
    broken = function_payload.seal([codes[0], b"#!lua name=three\nno lua"])
    assert "Error compiling function" in server.error("FUNCTION", "RESTORE", broken, "FLUSH")
    taken = function_payload.seal([codes[0], single("three", "F").encode()])
    assert server.error("FUNCTION", "RESTORE", taken) == "ERR Function F already exists"
    assert server.names() == [b"one"]
    assert server.run("FCALL", "f", 0) == b"old"
    assert server.run("FUNCTION", "RESTORE", payload, "REPLACE") == b"OK"
    assert server.run("FCALL", "f", 0) == b"new"
    assert server.run("FCALL", "g", 0) == 1
    assert server.run("FUNCTION", "RESTORE", function_payload.seal([]), "FLUSH") == b"OK"
    assert server.names() == []


def test_libraries_in_one_payload_must_not_collide(server: Functions) -> None:
    twice = function_payload.seal([single("one", "f").encode(), single("one", "g").encode()])
    assert server.error("FUNCTION", "RESTORE", twice) == "ERR Library 'one' already exists"
    both = function_payload.seal([single("one", "f").encode(), single("two", "f").encode()])
    assert server.error("FUNCTION", "RESTORE", both) == "ERR Function f already exists"
    assert server.store.snapshot() == {}


def test_a_dump_restores_what_was_dumped(server: Functions) -> None:
    for code in (COUNTER, single("other", "f")):
        server.run("FUNCTION", "LOAD", code)
    listed, dumped = server.run("FUNCTION", "LIST", "WITHCODE"), server.run("FUNCTION", "DUMP")
    server.run("FUNCTION", "FLUSH")
    assert server.names() == []
    assert server.store.snapshot() == {}
    assert server.run("FUNCTION", "RESTORE", dumped) == b"OK"
    assert server.run("FUNCTION", "LIST", "WITHCODE") == listed


def test_what_is_taken_back_in_the_store_is_gone_here(server: Functions) -> None:
    server.run("FUNCTION", "LOAD", single("kept", "f"))
    server.keyspace.keep_undo(True)
    server.keyspace.forget_undo()
    functions = server.executor.functions
    functions.load(single("lost", "g").encode(), replaces=False)
    functions.load(single("kept", "f", "return 2").encode(), replaces=True)
    server.keyspace.undo()
    assert server.names() == [b"kept"]
    assert server.run("FCALL", "f", 0) == 1
    assert server.error("FCALL", "g", 0) == "ERR Function not found"


def test_a_stored_library_that_cannot_be_loaded_hides_no_other(
    server: Functions, caplog: pytest.LogCaptureFixture
) -> None:
    server.keyspace.functions.put(b"broken", b"#!lua name=broken\nno lua")
    server.run("FUNCTION", "LOAD", single("sound", "f"))
    again = Functions(server.store)
    assert again.run("FCALL", "f", 0) == 1
    assert "library b'broken' cannot be loaded" in caplog.text
    assert again.run("FUNCTION", "LOAD", "REPLACE", single("broken", "g")) == b"broken"
    assert Functions(server.store).run("FCALL", "g", 0) == 1


def test_functions_are_not_for_scripts_nor_for_one_another(server: Functions) -> None:
    refused = "This Redis command is not allowed from script"
    server.run("FUNCTION", "LOAD", single("lib", "f", "return redis.call(unpack(args))"))
    for words in (["FCALL", "f", 0], ["FUNCTION", "LIST"], ["FUNCTION", "FLUSH"]):
        assert refused in server.error("FCALL", "f", 0, *words)
        script = "return redis.call(unpack(ARGV))"
        assert refused in server.error("EVAL", script, 0, *words)
    assert server.names() == [b"lib"]


def test_a_function_that_says_it_only_reads_cannot_write(server: Functions) -> None:
    liar = COUNTER.replace("redis.call('get', keys[1])", "redis.call('set', keys[1], 'x')")
    server.run("FUNCTION", "LOAD", liar)
    assert server.error("FCALL", "look", 1, "key") == (
        "ERR Write commands are not allowed from read-only scripts."
        " script: look, on @user_function:11."
    )
    assert server.run("GET", "key") is None


def test_what_a_failed_function_has_written_stays(server: Functions) -> None:
    body = "redis.call('set', keys[1], 'x') return redis.call('incr', keys[1])"
    server.run("FUNCTION", "LOAD", single("lib", "f", body))
    assert server.error("FCALL", "f", 1, "key") == (
        "ERR value is not an integer or out of range script: f, on @user_function:2."
    )
    assert server.run("GET", "key") == b"x"


def test_functions_run_in_the_database_of_the_caller() -> None:
    server = Functions(database=3)
    server.run("FUNCTION", "LOAD", COUNTER)
    server.run("FCALL", "count", 1, "key")
    assert server.run("GET", "key") == b"1"
    assert Functions(server.store).run("GET", "key") is None


def test_libraries_that_hold_too_much_are_loaded_anew(server: Functions) -> None:
    hoard = "kept[#kept + 1] = string.rep('x', 100000) .. #kept return #kept"
    code = single("lib", "f", hoard).replace("redis.register", "local kept = {}\nredis.register")
    server.executor.scripts.runner.memory_bytes_max = 4 * 1024 * 1024
    server.run("FUNCTION", "LOAD", code)
    counts = [server.run("FCALL", "f", 0) for _ in range(60)]
    assert all(isinstance(count, int) for count in counts), counts
    assert max(counts) > 5
    assert counts.count(1) > 1, "what it kept was never dropped"


def test_a_function_that_needs_too_much_at_once_fails_alone(server: Functions) -> None:
    server.executor.scripts.runner.memory_bytes_max = 4 * 1024 * 1024
    server.run("FUNCTION", "LOAD", single("lib", "f", "return #string.rep('x', tonumber(args[1]))"))
    assert "not enough memory" in server.error("FCALL", "f", 0, 100_000_000)
    assert server.run("FCALL", "f", 0, 1000) == 1000


def test_a_library_that_loops_while_it_is_loaded_is_stopped(
    server: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kiwi_engine.scripting.functions.engine.LOAD_NS_MAX", 20_000_000)
    assert server.error("FUNCTION", "LOAD", "#!lua name=lib\nwhile true do end") == (
        "ERR Error registering functions: ERR FUNCTION LOAD timeout"
    )
    assert server.run("FUNCTION", "LOAD", single("lib", "f")) == b"lib"


def test_registering_is_for_loading_only(server: Functions) -> None:
    code = "#!lua name=lib\nlocal register = redis.register_function\n"
    code += "register('f', function() register('g', function() end) end)"
    server.run("FUNCTION", "LOAD", code)
    assert server.error("FCALL", "f", 0) == (
        "ERR redis.register_function can only be called on FUNCTION LOAD command"
        " script: f, on @user_function:3."
    )
