"""BGSAVE, SAVE, LASTSAVE, KIWI BACKUP and SHUTDOWN SAVE, with a storage runtime that is made up.

The texts are those of redis-server 7.
"""

from __future__ import annotations

from tests.server.local.fakes import FakeServer

IN_PROGRESS = b"-ERR Background save already in progress\r\n"


def test_saves_are_answered_as_by_redis() -> None:
    server = FakeServer()
    session = server.connect()
    assert server.run(session, "BGSAVE") == b"+Background saving started\r\n"
    assert server.run(session, "bgsave", "schedule") == b"+Background saving started\r\n"
    assert server.run(session, "SAVE") == b"+OK\r\n"
    assert server.run(session, "LASTSAVE") == b":1700000000\r\n"
    assert server.run(session, "BGSAVE", "x") == b"-ERR syntax error\r\n"
    server.answers["save"] = False
    for words in (["BGSAVE"], ["BGSAVE", "SCHEDULE"], ["SAVE"]):
        assert server.run(session, *words) == IN_PROGRESS


def test_a_failed_save() -> None:
    server = FakeServer()
    session = server.connect()
    server.answers["backup_status"]["failure"] = "the disk\nis full"
    assert server.run(session, "SAVE") == b"-ERR the disk is full\r\n"
    assert server.run(session, "SHUTDOWN", "SAVE").startswith(b"-ERR Errors trying to SHUTDOWN")
    assert not server.is_stopping
    assert server.run(session, "SHUTDOWN", "SAVE", "FORCE") == b""
    assert server.is_stopping


def test_without_storage_a_forced_shutdown_stops_all_the_same() -> None:
    server = FakeServer()
    session = server.connect()
    server.storage_is_up = False
    assert server.run(session, "BGSAVE") == b"-ERR the storage runtime is down\r\n"
    assert server.run(session, "SHUTDOWN", "SAVE") == b"-ERR the storage runtime is down\r\n"
    assert not server.is_stopping
    assert server.run(session, "SHUTDOWN", "SAVE", "FORCE") == b""
    assert server.is_stopping


def test_backups_to_a_path_are_for_clients_of_this_machine() -> None:
    server = FakeServer()
    session = server.connect()
    assert server.run(session, "KIWI", "BACKUP", "/b", "incremental") == b"+OK\r\n"
    assert server.queries == ["backup_start"]
    session.is_local = False
    assert server.run(session, "KIWI", "BACKUP", "/b").startswith(b"-ERR KIWI BACKUP is for")
    assert server.run(session, "KIWI", "BACKUP-CANCEL") == b":0\r\n"


def test_the_status_is_a_map() -> None:
    server = FakeServer()
    session = server.connect()
    server.run(session, "HELLO", 3)
    assert server.run(session, "KIWI", "BACKUP-STATUS") == (
        b"%4\r\n$11\r\nin_progress\r\n:0\r\n$7\r\nfailure\r\n$0\r\n\r\n"
        b"$4\r\nmade\r\n:1\r\n$10\r\nlast_files\r\n:9\r\n"
    )
