"""Who is subscribed to what, and how many get a message, against a model of three sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.commands.publishing import Patterns, SubscriberCounts
from kiwi_engine.keyspace.glob import compile_glob
from kiwi_engine.server.network.pubsub.registry import Kind, Registry, Subscriptions, names_of


class Listener:
    """Has nothing but what the registry asks of a subscriber."""

    def __init__(self) -> None:
        self.subscriptions: Subscriptions | None = None


NAMES = (b"a", b"ab", b"b", b"a*", b"?b", b"*")
LISTENERS = 4
# Each step is who does what to which channel or pattern.
steps = st.lists(
    st.tuples(
        st.integers(0, LISTENERS - 1),
        st.sampled_from(("subscribe", "unsubscribe", "forget")),
        st.sampled_from(list(Kind)),
        st.sampled_from(NAMES),
    ),
    max_size=60,
)
Model = set[tuple[int, Kind, bytes]]


@given(steps)
def test_it_is_what_a_set_of_pairs_is(
    actions: list[tuple[int, str, Kind, bytes]],
) -> None:
    registry: Registry[Listener] = Registry()
    listeners = [Listener() for _ in range(LISTENERS)]
    model: Model = set()
    for who, action, kind, name in actions:
        entry = who, kind, name
        if action == "subscribe":
            assert registry.subscribe(listeners[who], kind, name) == (entry not in model)
            model.add(entry)
        elif action == "unsubscribe":
            assert registry.unsubscribe(listeners[who], kind, name) == (entry in model)
            model.discard(entry)
        else:
            ended = registry.forget(listeners[who])
            assert {(who, *each) for each in ended} == {each for each in model if each[0] == who}
            model = {each for each in model if each[0] != who}
        check(registry, listeners, model)


def check(registry: Registry[Listener], listeners: list[Listener], model: Model) -> None:
    for who, listener in enumerate(listeners):
        own = {(kind, name) for other, kind, name in model if other == who}
        assert {(kind, name) for kind in Kind for name in names_of(listener, kind)} == own
        assert (listener.subscriptions is None) == (not own)
    assert registry.subscribers_count == len({who for who, _, _ in model})
    for kind in Kind:
        names = {name for _, other, name in model if other is kind}
        assert set(registry.names(kind)) == names
        assert registry.total(kind) == len(names)
        for name in NAMES:
            subscribed = {who for who, *rest in model if rest == [kind, name]}
            audience = registry.audience(kind, name) or {}
            assert {listeners.index(listener) for listener in audience} == subscribed
            assert registry.count(kind, name) == len(subscribed)


@given(steps)
def test_the_mirror_counts_the_same_receivers(
    actions: list[tuple[int, str, Kind, bytes]],
) -> None:
    """What the storage runtime tells a script, from nothing but the counts that changed."""
    registry: Registry[Listener] = Registry()
    listeners = [Listener() for _ in range(LISTENERS)]
    counts = SubscriberCounts()
    for who, action, kind, name in actions:
        if action == "subscribe":
            registry.subscribe(listeners[who], kind, name)
            ended: list[tuple[Kind, bytes]] = []
        elif action == "unsubscribe":
            registry.unsubscribe(listeners[who], kind, name)
            ended = []
        else:
            ended = registry.forget(listeners[who])
        for changed_kind, changed in [(kind, name), *ended]:
            counts.change({changed_kind.value: {changed: registry.count(changed_kind, changed)}})
    for channel in (b"a", b"ab", b"b", b"x", b""):
        matching = sum(len(audience) for _, audience in registry.matching(channel))
        direct = registry.count(Kind.CHANNEL, channel)
        assert counts.receivers(channel) == matching + direct
        shard = registry.count(Kind.SHARD_CHANNEL, channel)
        assert counts.receivers(channel, is_sharded=True) == shard


def test_receivers_are_told_in_the_order_in_which_they_came() -> None:
    registry: Registry[Listener] = Registry()
    first, second, third = Listener(), Listener(), Listener()
    for listener in (second, first, third):
        registry.subscribe(listener, Kind.CHANNEL, b"x")
    registry.unsubscribe(second, Kind.CHANNEL, b"x")
    registry.subscribe(second, Kind.CHANNEL, b"x")
    assert list(registry.audience(Kind.CHANNEL, b"x") or ()) == [first, third, second]


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_a_pattern_matches_as_everywhere(pattern: bytes, channel: bytes) -> None:
    patterns: Patterns[int] = Patterns()
    patterns.set(pattern, 1)
    patterns.set(pattern, 2)
    assert len(patterns) == 1
    expected = [(pattern, 2)] if compile_glob(pattern)(channel) else []
    assert patterns.matching(channel) == expected
    patterns.remove(pattern)
    patterns.remove(pattern)
    assert patterns.matching(channel) == []
