"""A directory that cannot be opened is refused with a reason, and not a byte of it is changed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from kiwi_engine.engine.engine import Engine
from kiwi_engine.errors import CorruptionError, IndexFailedError, KiwiError
from kiwi_engine.fs.posix import LOCK_NAME
from kiwi_engine.keyspace.encoding import tally
from tests.cli.data_directory import SETTINGS, commit, cut, flip, stored_key

GROUPS = 40
# Small, so that the log gives up its first segments to the index.
TINY = msgspec.structs.replace(SETTINGS, wal_segment_bytes=1024, value_segment_bytes=8192)
# Places to damage in a file of a few hundred bytes; a step that shares no divisor with them.
STEP = int(os.environ.get("REFUSAL_STEP", "13"))

Damage = Callable[[Path], None]


def open_tiny(path: Path) -> Engine:
    return Engine.open(str(path), TINY, tally, lambda replies, failure: None)


def fill(engine: Engine, life: int) -> dict[bytes, bytes]:
    """One small and one large value a group."""
    chance = random.Random(life)
    written: dict[bytes, bytes] = {}
    for number in range(GROUPS):
        small, large = stored_key(f"s{life}.{number}"), stored_key(f"l{life}.{number}")
        written[small] = b"\x00%d" % number
        written[large] = b"\x00" + chance.randbytes(1200)
        for key in (small, large):
            commit(engine, partial(engine.store.put, key, written[key]))
    return written


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[bytes, bytes]]:
    """A closed directory with tables of several lives, whose log no longer begins with LSN 1."""
    path = tmp_path_factory.mktemp("whole") / "data"
    written: dict[bytes, bytes] = {}
    for life in range(3):
        engine = open_tiny(path)
        written |= fill(engine, life)
        engine.close()
    return path, written


@pytest.fixture
def damaged(whole: tuple[Path, dict[bytes, bytes]], tmp_path: Path) -> Callable[[Damage], Path]:
    """A function that returns a damaged copy."""

    def make(damage: Damage) -> Path:
        path = tmp_path / "data"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(whole[0], path)
        damage(path)
        return path

    return make


def content(path: Path) -> dict[str, bytes]:
    """Every byte of the directory, but for the file that a lock is held on."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.name != LOCK_NAME
    }


def refusal(path: Path) -> str:
    """Why the directory is refused; it is, and stays as it was."""
    before = content(path)
    with pytest.raises((CorruptionError, IndexFailedError)) as caught:
        open_tiny(path)
    assert content(path) == before
    assert f"`kiwi-engine recover {path}`" in str(caught.value)
    return str(caught.value)


def is_refused(path: Path, written: dict[bytes, bytes]) -> bool:
    """Whether it is; if not, then everything is there."""
    before = content(path)
    try:
        engine = open_tiny(path)
    except KiwiError as error:
        assert f"`kiwi-engine recover {path}`" in str(error)
        assert content(path) == before
        return True
    found = {key: engine.store.get(key) for key in written}
    engine.close()
    assert found == written
    return False


def one(path: Path, pattern: str) -> Path:
    return max((path / "index").glob(pattern))


def to_one(pattern: str, damage: Damage) -> Damage:
    """`damage`, done to the `one` file of that name."""
    return lambda path: damage(one(path, pattern))


def half(file: Path) -> None:
    cut(file, file.stat().st_size // 2)


def empty(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()


def name_another_manifest(path: Path) -> None:
    one(path, "CURRENT").write_text("MANIFEST-000099\n")


REFUSED: dict[str, tuple[Damage, str]] = {
    "manifest cut in half": (lambda path: half(one(path, "MANIFEST-*")), "MANIFEST"),
    "manifest flipped": (lambda path: flip(one(path, "MANIFEST-*"), 40), "checksum mismatch"),
    "manifest missing": (lambda path: one(path, "MANIFEST-*").unlink(), "No such file"),
    "CURRENT missing": (lambda path: one(path, "CURRENT").unlink(), "there are tables"),
    "CURRENT emptied": (lambda path: cut(one(path, "CURRENT"), 0), "CURRENT"),
    "CURRENT names another": (name_another_manifest, "No such file"),
    "table missing": (lambda path: one(path, "*.sst").unlink(), "No such file"),
    "table cut": (lambda path: half(one(path, "*.sst")), "size mismatch"),
    "first block of a table flipped": (lambda path: flip(one(path, "*.sst"), 5), "checksum"),
    "index removed": (lambda path: shutil.rmtree(path / "index"), "are missing"),
    "index emptied": (lambda path: empty(path / "index"), "are missing"),
    "log removed": (lambda path: shutil.rmtree(path / "wal"), "the log is missing"),
    "log emptied": (lambda path: empty(path / "wal"), "the log is missing"),
    "layout removed": (lambda path: (path / "LAYOUT").unlink(), "layout file is missing"),
    "layout flipped": (lambda path: flip(path / "LAYOUT", 30), "not a layout file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_damage_is_refused_before_anything_is_changed(
    damaged: Callable[[Damage], Path], name: str
) -> None:
    damage, words = REFUSED[name]
    assert words in refusal(damaged(damage))


def crashed(path: Path, running: Path) -> Path:
    """A copy of a directory with many log segments, taken while an engine uses it."""
    engine = open_tiny(running)
    fill(engine, 0)
    shutil.copytree(running, path)
    engine.close()
    return path


@pytest.mark.parametrize("which", [0, 3])
def test_a_missing_log_segment_is_refused(tmp_path: Path, which: int) -> None:
    path = crashed(tmp_path / "data", tmp_path / "running")
    sorted((path / "wal").glob("*.wal"))[which].unlink()
    assert "missing" in refusal(path)


def test_a_flipped_record_is_refused(tmp_path: Path) -> None:
    path = crashed(tmp_path / "data", tmp_path / "running")
    flip(sorted((path / "wal").glob("*.wal"))[2], 90)
    assert "checksum mismatch" in refusal(path)


def test_a_log_that_ends_before_the_index_is_refused(tmp_path: Path) -> None:
    """Its last segments were taken away, and with them perhaps what the index does not hold."""
    path, older = tmp_path / "data", tmp_path / "older"
    for life in range(2):
        engine = open_tiny(path)
        fill(engine, life)
        engine.close()
        if life == 0:
            shutil.copytree(path / "wal", older)
    shutil.rmtree(path / "wal")
    older.rename(path / "wal")
    assert "the end of the log is missing: it ends at 80, and the index holds" in refusal(path)


@pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST-*", "OPTIONS-*", "*.sst"])
def test_every_flip_of_an_index_file_is_refused_or_harmless(
    whole: tuple[Path, dict[bytes, bytes]], damaged: Callable[[Damage], Path], pattern: str
) -> None:
    """A damaged block that holds no key of the engine's own is met by the read that needs it."""
    size = one(whole[0], pattern).stat().st_size
    step = max(STEP, size // 40)
    refused = 0
    for offset in range(0, size, step):
        path = damaged(to_one(pattern, partial(flip, offset=offset)))
        try:
            refused += is_refused(path, whole[1])
        except CorruptionError as damage:
            assert pattern == "*.sst", "opened, and damaged"
            assert damage.path.endswith(".sst")
    assert refused or pattern == "OPTIONS-*"


def test_every_cut_of_the_manifest_is_refused_or_harmless(
    whole: tuple[Path, dict[bytes, bytes]], damaged: Callable[[Damage], Path]
) -> None:
    size = one(whole[0], "MANIFEST-*").stat().st_size
    verdicts = []
    for length in range(0, size, STEP):
        path = damaged(to_one("MANIFEST-*", partial(cut, length=length)))
        verdicts.append(is_refused(path, whole[1]))
    assert any(verdicts)


def test_directories_that_are_not_needed_are_made_again(
    damaged: Callable[[Damage], Path],
) -> None:
    path = damaged(lambda path: shutil.rmtree(path / "vlog"))
    engine = open_tiny(path)
    value = b"\x00" + bytes(2000)
    commit(engine, lambda: engine.store.put(stored_key("new"), value))
    for number in range(GROUPS):
        with pytest.raises(CorruptionError):
            engine.store.get(stored_key(f"l0.{number}"))
    engine.close()
    engine = open_tiny(path)
    assert engine.store.get(stored_key("new")) == value
    engine.close()
