"""Settings of access control lists (pure)."""

from __future__ import annotations

from typing import Annotated, get_args

from kiwi_engine.config.connection_settings import ConnectionSettings
from kiwi_engine.config.kinds import Choice, Integer, Text
from kiwi_engine.config.rows import ACCESS, ChannelAccess, Row


class AccessSettings(ConnectionSettings, frozen=True, kw_only=True):
    """Who may do what; users are in `aclfile`, or in lines that begin with `user`."""

    # --- Access control ---
    aclfile: Annotated[
        str,
        Row(
            ACCESS,
            Text(),
            "File of users, for ACL LOAD and ACL SAVE; requirepass does not count then. "
            "Empty: users are lines of the configuration file, `user NAME RULE ...`.",
            redis=True,
        ),
    ] = ""
    acl_pubsub_default: Annotated[
        ChannelAccess,
        Row(
            ACCESS,
            Choice(get_args(ChannelAccess)),
            "Channels that new users may use.",
            runtime=True,
            redis=True,
        ),
    ] = "resetchannels"
    acllog_max_len: Annotated[
        int,
        Row(
            ACCESS,
            Integer(0, 1_000_000, "entries"),
            "Denied commands and logins that ACL LOG remembers.",
            runtime=True,
            redis=True,
        ),
    ] = 128
