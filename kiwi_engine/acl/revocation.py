"""What a change of a user takes away from connections that are subscribed (pure).

Source: the behaviour of `ACLKillPubsubClientsIfNeeded` in Redis 7.2: who is subscribed to what its
user may not subscribe to any more is disconnected.
"""

from __future__ import annotations

from collections.abc import Iterable

from kiwi_engine.acl.selector import Pattern
from kiwi_engine.acl.user import User


def channels_left(old: User, new: User) -> frozenset[Pattern] | None:
    """The patterns of channels that are left to a user, or None if nothing was taken from it."""
    if any(selector.all_channels for selector in new.selectors):
        return None
    left = frozenset(pattern for selector in new.selectors for pattern in selector.channels)
    had_all = any(selector.all_channels for selector in old.selectors)
    had = {pattern for selector in old.selectors for pattern in selector.channels}
    return left if had_all or not had <= left else None


def may_keep(left: Iterable[Pattern], channels: Iterable[bytes], patterns: Iterable[bytes]) -> bool:
    """Whether these subscriptions are all allowed by what is left."""
    rules = list(left)
    texts = {rule.text for rule in rules}
    return texts.issuperset(patterns) and all(
        any(rule.matches(channel) for rule in rules) for channel in channels
    )
