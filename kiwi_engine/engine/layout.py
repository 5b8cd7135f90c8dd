"""The layout file: which formats a data directory is written in, and whose it is (shell).

    kiwi-engine layout
    {"layout":2,"wal":1,"values":1,"changes":2,"keys":1,"identity":"4f6c...32 hex digits"}
    crc32c 1a2b3c4d

The checksum covers the lines before it. A directory with other versions than this build reads is
refused before anything else in it is touched. The file is written once, when the directory is
made. The identity is drawn then: backups and archives carry it, so that those of two histories are
never mixed. A restored or salvaged directory is a new history and has a new one. Everything in the
directory has a fixed name:

    LAYOUT  LOCK  wal/  vlog/  index/
"""

from __future__ import annotations

import os
from typing import Final

import msgspec

from kiwi_engine.checksum import crc32c
from kiwi_engine.commit.changes import CHANGES_VERSION
from kiwi_engine.errors import CorruptionError, LayoutError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.vlog.format import VLOG
from kiwi_engine.wal.format import WAL

LAYOUT_VERSION: Final = 2
KEYS_VERSION: Final = 1
_TITLE: Final = b"kiwi-engine layout\n"
_LENGTH_MAX: Final = 4096


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Format versions: of this file, WAL records, value log, WAL payloads, keys and values.

    `identity`: 32 hexadecimal digits, drawn when the directory was made.
    """

    layout: int = LAYOUT_VERSION
    wal: int = WAL.version
    values: int = VLOG.version
    changes: int = CHANGES_VERSION
    keys: int = KEYS_VERSION
    identity: str = ""


class Paths(msgspec.Struct, frozen=True):
    """Where everything of a data directory lies."""

    root: str

    @property
    def parent(self) -> str:
        return os.path.dirname(os.path.abspath(self.root))

    @property
    def layout(self) -> str:
        return f"{self.root}/LAYOUT"

    @property
    def wal(self) -> str:
        return f"{self.root}/wal"

    @property
    def values(self) -> str:
        return f"{self.root}/vlog"

    @property
    def index(self) -> str:
        return f"{self.root}/index"


def encode_layout(layout: Layout) -> bytes:
    """The content of the layout file."""
    body = _TITLE + msgspec.json.encode(layout) + b"\n"
    return body + b"crc32c %08x\n" % crc32c(body)


def decode_layout(content: bytes, path: str) -> Layout:
    """Inverse of `encode_layout`; `CorruptionError` if it is not one."""
    body, found, line = content.rpartition(b"crc32c ")
    if not found or line != b"%08x\n" % crc32c(body) or not body.startswith(_TITLE):
        raise CorruptionError(path, 0, "not a layout file, or its checksum does not match")
    try:
        return msgspec.json.decode(body[len(_TITLE) :], type=Layout)
    except msgspec.DecodeError as error:
        raise CorruptionError(path, len(_TITLE), str(error)) from error


def read_layout(fs: FileSystem, paths: Paths) -> Layout | None:
    """The layout of a directory, or None if it has none yet."""
    if not fs.exists(paths.layout):
        return None
    file = fs.open(paths.layout, writable=False)
    try:
        return decode_layout(file.pread(_LENGTH_MAX, 0), paths.layout)
    finally:
        file.close()


def has_data(fs: FileSystem, paths: Paths) -> bool:
    """Whether anything lies where an engine puts its data; the layout file comes before that."""
    return any(map(fs.list_directory, (paths.wal, paths.values, paths.index)))


def check_layout(layout: Layout, path: str) -> None:
    """`LayoutError` naming each version that this build does not read."""
    expected = Layout()
    problems = [
        f"{name} version {getattr(layout, name)} (this build reads {getattr(expected, name)})"
        for name in Layout.__struct_fields__
        if name != "identity" and getattr(layout, name) != getattr(expected, name)
    ]
    if problems:
        raise LayoutError(f"{path}: {', '.join(problems)}")


def new_identity() -> str:
    """For a new history of records."""
    return os.urandom(16).hex()


def make_directories(fs: FileSystem, paths: Paths) -> None:
    """Make those of `paths` that are not there, durably."""
    for directory in (paths.wal, paths.values, paths.index):
        fs.make_directory(directory)
    fs.sync_directory(paths.root)


def create_layout(fs: FileSystem, paths: Paths) -> None:
    """Make the directories and, last, the layout file; each step is harmless when repeated.

    All directories are durable, the data directory itself in its parent too, before the file that
    says that they are there.
    """
    make_directories(fs, paths)
    fs.sync_directory(paths.parent)
    draft = f"{paths.layout}.new"
    if fs.exists(draft):
        fs.remove(draft)
    file = fs.create(draft)
    try:
        file.pwritev([encode_layout(Layout(identity=new_identity()))], 0)
        file.datasync()
    finally:
        file.close()
    fs.rename(draft, paths.layout)
    fs.sync_directory(paths.root)
