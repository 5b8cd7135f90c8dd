"""The words of ACL SETUSER, applied to users (pure).

A rule that cannot be applied raises `RuleError`; users are values, so nothing has changed then.
Those about commands, keys and channels are `acl.selector_rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from kiwi_engine.acl.passwords import hashed, is_hash
from kiwi_engine.acl.selector import Selector
from kiwi_engine.acl.selector_rules import RuleError, apply_selector_rule, c_string
from kiwi_engine.acl.user import PayloadCheck, User
from kiwi_engine.errors import KiwiError
from kiwi_engine.resp.inline import UnbalancedQuotesError, split_words

_NO_SUCH_PASSWORD: Final = "The password you are trying to remove from the user does not exist"
_NO_HASH: Final = (
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
    "characters"
)


class UnmatchedParenthesisError(KiwiError):
    """A selector is not closed; `word` is what opens it."""

    def __init__(self, word: bytes) -> None:
        super().__init__("unmatched parenthesis")
        self.word = word


def merge_selectors(words: Sequence[bytes]) -> list[bytes]:
    """Rules in which `(`, what follows and `)` are one word; `UnmatchedParenthesisError`."""
    merged: list[bytes] = []
    opened: list[bytes] = []
    for word in words:
        if opened:
            opened.append(c_string(word))
        elif word.startswith(b"(") and not word.endswith(b")"):
            opened = [word]
        else:
            merged.append(word)
            continue
        if len(opened) > 1 and word.endswith(b")"):
            merged.append(b" ".join(opened))
            opened = []
    if opened:
        raise UnmatchedParenthesisError(opened[0])
    return merged


def apply_rule(user: User, rule: bytes, all_channels: bool) -> User:
    """`user` with one more rule; `all_channels` is what new selectors allow.

    Of a selector, `rule` is all of it with its parentheses.
    """
    if not rule:
        return user
    keyword = _USER_KEYWORDS.get(c_string(rule).lower())
    if keyword is not None:
        return keyword(user, all_channels)
    first = rule[:1]
    if first in (b">", b"#"):
        return _with_password(user, _hash_of(rule))
    if first in (b"<", b"!"):
        return _without_password(user, _hash_of(rule))
    if first == b"(" and rule.endswith(b")"):
        selector = _selector(rule[1:-1], all_channels)
        return replace(user, selectors=(*user.selectors, selector))
    return user.with_root(apply_selector_rule(user.root, rule))


# ---- rules of users


def _reset(user: User, all_channels: bool) -> User:
    return User(user.name, (Selector(all_channels=all_channels),))


_USER_KEYWORDS: Final[Mapping[bytes, Callable[[User, bool], User]]] = MappingProxyType(
    {
        b"on": lambda user, _: replace(user, is_on=True),
        b"off": lambda user, _: replace(user, is_on=False),
        b"skip-sanitize-payload": lambda user, _: replace(user, payload_check=PayloadCheck.SKIP),
        b"sanitize-payload": lambda user, _: replace(user, payload_check=PayloadCheck.SANITIZE),
        b"nopass": lambda user, _: replace(user, no_password=True, passwords=()),
        b"resetpass": lambda user, _: replace(user, no_password=False, passwords=()),
        b"clearselectors": lambda user, _: replace(user, selectors=user.selectors[:1]),
        b"reset": _reset,
    }
)


def _hash_of(rule: bytes) -> bytes:
    """The hash that a password rule means: of a password behind `>` or `<`, or itself."""
    if rule[:1] in (b">", b"<"):
        return hashed(rule[1:])
    if not is_hash(rule[1:]):
        raise RuleError(_NO_HASH)
    return rule[1:]


def _with_password(user: User, given: bytes) -> User:
    passwords = user.passwords if given in user.passwords else (*user.passwords, given)
    return replace(user, no_password=False, passwords=passwords)


def _without_password(user: User, given: bytes) -> User:
    if given not in user.passwords:
        raise RuleError(_NO_SUCH_PASSWORD)
    return replace(user, passwords=tuple(each for each in user.passwords if each != given))


def _selector(rules: bytes, all_channels: bool) -> Selector:
    """A selector of its own; as in Redis one whose quotes are unbalanced has no rules."""
    try:
        words = split_words(rules)
    except UnbalancedQuotesError:
        words = []
    selector = Selector(all_channels=all_channels)
    for word in words:
        selector = apply_selector_rule(selector, word)
    return selector
