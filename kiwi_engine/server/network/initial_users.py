"""The users that a server starts with (shell)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from kiwi_engine.acl.text import AclFileError, users_of_file, users_of_lines
from kiwi_engine.acl.user import DEFAULT_NAME, User, default_user
from kiwi_engine.config.file import Assignment
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.replace import read_file
from kiwi_engine.server.network.access_control import allows_all_channels

logger = logging.getLogger(__name__)


def initial_users(settings: Settings, lines: Sequence[Assignment]) -> list[User]:
    """The users of the ACL file, or of the `user` lines of the configuration file.

    `ConfigError` tells everything that is wrong with them. The file says all there is to say: a
    user `default` that is not in it is as it was at first, whatever `requirepass` is.
    """
    if settings.aclfile and lines:
        raise ConfigError(
            [f"{lines[0].source}: user: users are in aclfile or in the configuration, not in both"]
        )
    if settings.aclfile:
        users = _of_file(settings)
    else:
        problems: list[str] = []
        encoded = [(line.source, [_encoded(word) for word in line.words]) for line in lines]
        users = users_of_lines(encoded, allows_all_channels(settings), problems)
        if problems:
            raise ConfigError(problems)
    for user in users:
        if not user.is_on:
            logger.info("the user %s is off: nobody can log in as it", user.name)
    return users


def _of_file(settings: Settings) -> list[User]:
    path = settings.aclfile
    try:
        content = read_file(PosixFileSystem(), path)
        users = users_of_file(content, path, allows_all_channels(settings))
    except OSError as error:
        raise ConfigError([f"aclfile: cannot read {path}: {error.strerror}"]) from None
    except AclFileError as error:
        raise ConfigError([f"aclfile: {error}"]) from None
    if all(user.name != DEFAULT_NAME for user in users):
        users.append(default_user())
        if settings.requirepass:
            logger.warning("requirepass does not count: %s does not mention `default`", path)
    return users


def _encoded(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")
