"""Libraries of functions as they are stored."""

from __future__ import annotations

from kiwi_engine.keyspace.function_store import META_FUNCTION, FunctionStore
from tests.keyspace.helpers import new_keyspace, new_store
from tests.support.worked_examples import documented_entries


def test_the_example_of_the_format() -> None:
    store = new_store()
    FunctionStore(store).put(b"lib", b"#!lua name=lib\nx")
    assert store.snapshot() == documented_entries("`FUNCTION LOAD")


def test_libraries_are_listed_by_name() -> None:
    store = new_store()
    functions = FunctionStore(store)
    functions.put(b"b", b"second")
    functions.put(b"a", b"first")
    functions.put(b"c", b"third")
    functions.put(b"b", b"other")
    functions.delete(b"c")
    assert list(functions.codes().items()) == [(b"a", b"first"), (b"b", b"other")]


def test_what_lies_around_them_is_no_library() -> None:
    store = new_store()
    store.put(b"mfunction.", b"")
    store.put(b"mfunction0", b"")
    store.put(b"mnamespaces", b"\x00\x00\x00\x01")
    assert FunctionStore(store).codes() == {}
    store.put(META_FUNCTION, b"of no name")
    assert FunctionStore(store).codes() == {b"": b"of no name"}


def test_flushing_databases_leaves_them_alone() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    keyspace.functions.put(b"lib", b"code")
    keyspace.database(0).set(b"key", b"value")
    keyspace.flush(range(16))
    assert keyspace.functions.codes() == {b"lib": b"code"}


def test_the_generation_tells_that_what_is_stored_may_be_another() -> None:
    keyspace = new_keyspace()
    before = keyspace.functions.generation
    keyspace.functions.put(b"lib", b"code")
    assert keyspace.functions.generation == before
    keyspace.reload()
    assert keyspace.functions.generation > before
