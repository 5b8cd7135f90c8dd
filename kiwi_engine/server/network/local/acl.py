"""ACL and its subcommands (glue). Texts are those of Redis 7.2."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable
from typing import Final

from kiwi_engine.acl.commands import CATEGORIES, names_in
from kiwi_engine.acl.log import entry_reply
from kiwi_engine.acl.permission import denial
from kiwi_engine.acl.revocation import channels_left, may_keep
from kiwi_engine.acl.selector import Selector
from kiwi_engine.acl.text import AclFileError, file_text, users_of_file
from kiwi_engine.acl.user import DEFAULT_NAME
from kiwi_engine.clock import wall_ms
from kiwi_engine.commands.arguments import integer
from kiwi_engine.commands.errors import wrong_arity
from kiwi_engine.commands.resolve import find
from kiwi_engine.commands.table import arity_accepts
from kiwi_engine.errors import ReplyError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.replace import read_file, replace_file
from kiwi_engine.resp import reply
from kiwi_engine.server.network.access_control import UserChange
from kiwi_engine.server.network.facade import ServerFacade
from kiwi_engine.server.network.local.handler import Handler
from kiwi_engine.server.network.local.help import help_reply
from kiwi_engine.server.network.pubsub.registry import Kind
from kiwi_engine.server.network.session import Session

logger = logging.getLogger(__name__)

_SHOWN_BYTES: Final = 128
_ENTRIES_SHOWN: Final = 10
_PASSWORD_BITS: Final = 256
_PASSWORD_BITS_MAX: Final = 4096
_NO_FILE: Final = (
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
    "configuration file set) in order to store users in the Redis configuration."
)
_NOT_SAVED: Final = (
    "ERR There was an error trying to save the ACLs. Please check the server logs for more "
    "information"
)


# ---- users


def setuser(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """All rules are applied, or none."""
    change = facade.acl.put(facade.acl.users.changed(arguments[2], arguments[3:]))
    _close_connections(facade, session, [change])
    return reply.OK


def deluser(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """How many users there were; none is removed if one of them is `default`."""
    names = arguments[2:]
    if DEFAULT_NAME.encode() in names:
        raise ReplyError("ERR The 'default' user cannot be removed")
    found = {user.name for name in names if (user := facade.acl.users.named(name)) is not None}
    changes = [facade.acl.remove(name) for name in found]
    _close_connections(facade, session, changes)
    return reply.integer(len(changes))


def _close_connections(
    facade: ServerFacade, session: Session, changes: Iterable[UserChange]
) -> None:
    """End connections of users that are gone, or that are subscribed to what is denied by now.

    The client that made the change gets its reply first.
    """
    by_name = {change.old.name: change for change in changes if change.old is not None}
    for each in list(facade.sessions()):
        change = by_name.get(each.user)
        if change is None or not _ends_connection(change, each):
            continue
        each.authenticated = False
        each.user = DEFAULT_NAME
        if each.id == session.id:
            each.close_after_reply = True
        else:
            facade.kill(each)


def _ends_connection(change: UserChange, session: Session) -> bool:
    if change.old is None or change.new is None:
        return True
    left = channels_left(change.old, change.new)
    subscriptions = session.subscriptions
    if left is None or subscriptions is None:
        return False
    names = subscriptions.names
    channels = (*names[Kind.CHANNEL], *names[Kind.SHARD_CHANNEL])
    return not may_keep(left, channels, names[Kind.PATTERN])


def getuser(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    user = facade.acl.users.named(arguments[2])
    if user is None:
        return reply.null(session.resp3)
    resp3 = session.resp3
    others = [reply.mapping(resp3, _selector_fields(selector)) for selector in user.selectors[1:]]
    flags = [reply.bulk(flag) for flag in user.flags]
    return reply.mapping(
        resp3,
        [
            *(reply.bulk(b"flags"), reply.set_of(resp3, flags)),
            *(reply.bulk(b"passwords"), reply.bulk_array(user.passwords)),
            *_selector_fields(user.root),
            *(reply.bulk(b"selectors"), reply.array(others)),
        ],
    )


def _selector_fields(selector: Selector) -> list[bytes]:
    return [
        *(reply.bulk(b"commands"), reply.bulk(selector.describe_commands())),
        *(reply.bulk(b"keys"), reply.bulk(selector.describe_keys())),
        *(reply.bulk(b"channels"), reply.bulk(selector.describe_channels())),
    ]


def list_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.bulk_array([user.line() for user in facade.acl.users])


def users(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.bulk_array([user.name.encode() for user in facade.acl.users])


def whoami(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return reply.bulk(session.user.encode())


def dryrun(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """OK, or why not."""
    user = facade.acl.users.named(arguments[2])
    if user is None:
        raise ReplyError(f"ERR User '{_text(arguments[2])}' not found")
    words = arguments[3:]
    resolved = find(words)
    if resolved is None:
        raise ReplyError(f"ERR Command '{_text(words[0])}' not found")
    if not arity_accepts(resolved.row.arity, len(words)):
        raise wrong_arity(resolved.name)
    denied = denial(user, words, resolved)
    if denied is None:
        return reply.OK
    return reply.bulk(denied.explanation.encode("utf-8", "surrogateescape"))


# ---- the file


async def load(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """Take over all users of the file, or change nothing.

    Connections whose user is no longer there are closed; Redis 7.2 closes all but those of
    `default`, 7.4 does as here.
    """
    path = _file_of(facade)
    content = await asyncio.to_thread(_read, path)
    try:
        found = users_of_file(content, path, facade.acl.users.all_channels)
    except AclFileError as error:
        raise ReplyError(f"ERR {error}") from None
    _close_connections(facade, session, facade.acl.replace(found))
    return reply.OK


def users_loaded(facade: ServerFacade) -> list[bytes]:
    """What the primary has loaded, for `load_share`: the file may be another one by now."""
    return [file_text(facade.acl.users)]


def load_share(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """A worker's part of ACL LOAD."""
    found = users_of_file(arguments[0], "the users of the primary", all_channels=False)
    _close_connections(facade, session, facade.acl.replace(found))
    return reply.OK


async def save(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    path = _file_of(facade)
    content = file_text(facade.acl.users)
    try:
        await asyncio.to_thread(replace_file, PosixFileSystem(), path, content)
    except OSError as error:
        logger.warning("ACL SAVE: cannot write %s: %s", path, error.strerror)
        raise ReplyError(_NOT_SAVED) from None
    return reply.OK


def _file_of(facade: ServerFacade) -> str:
    path = facade.config.get("aclfile")
    if not path:
        raise ReplyError(_NO_FILE)
    return path


def _read(path: str) -> bytes:
    try:
        return read_file(PosixFileSystem(), path)
    except OSError as error:
        raise ReplyError(
            f"ERR Error loading ACLs, opening file '{path}': {error.strerror}"
        ) from None


# ---- the rest


def cat(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    if len(arguments) > 3:
        raise _wrong_form(arguments)
    if len(arguments) == 2:
        return reply.bulk_array([name.encode() for name in CATEGORIES])
    category = _text(arguments[2].lower())
    if category not in CATEGORIES:
        raise ReplyError(f"ERR Unknown category '{_text(arguments[2][:_SHOWN_BYTES])}'")
    return reply.bulk_array([name.encode() for name in names_in(category)])


def genpass(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    if len(arguments) > 3:
        raise _wrong_form(arguments)
    bits = integer(arguments[2]) if len(arguments) == 3 else _PASSWORD_BITS
    if not 0 < bits <= _PASSWORD_BITS_MAX:
        raise ReplyError(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a "
            f"positive number up to {_PASSWORD_BITS_MAX}"
        )
    digits = (bits + 3) // 4
    return reply.bulk(secrets.token_hex((digits + 1) // 2)[:digits].encode())


def log(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    """The newest entries first."""
    if len(arguments) > 3:
        raise _wrong_form(arguments)
    count = _ENTRIES_SHOWN
    if len(arguments) == 3:
        if arguments[2].lower() == b"reset":
            facade.acl.log.clear()
            return reply.OK
        count = max(0, integer(arguments[2]))
    now_ms = wall_ms()
    entries = facade.acl.log.newest(count)
    return reply.array([entry_reply(entry, now_ms, session.resp3) for entry in entries])


def help_(facade: ServerFacade, session: Session, arguments: list[bytes]) -> bytes:
    return help_reply("acl")


def _wrong_form(arguments: list[bytes]) -> ReplyError:
    shown = _text(arguments[1][:_SHOWN_BYTES])
    return ReplyError(
        f"ERR unknown subcommand or wrong number of arguments for '{shown}'. Try ACL HELP."
    )


def _text(word: bytes) -> str:
    """What C's `%s` would print."""
    return word.partition(b"\0")[0].decode("utf-8", "surrogateescape")


HANDLERS: Final[dict[str, Handler]] = {
    "acl|setuser": setuser,
    "acl|deluser": deluser,
    "acl|getuser": getuser,
    "acl|list": list_,
    "acl|users": users,
    "acl|whoami": whoami,
    "acl|dryrun": dryrun,
    "acl|load": load,
    "acl|save": save,
    "acl|cat": cat,
    "acl|genpass": genpass,
    "acl|log": log,
    "acl|help": help_,
}
