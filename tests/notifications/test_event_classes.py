"""The setting `notify-keyspace-events`."""

from __future__ import annotations

import itertools

import pytest

from kiwi_engine.config.event_classes import ALL_CLASSES, EventClasses
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ReplyError


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", ""),
        ("K", "K"),
        ("KEA", "AKE"),
        ("EKA", "AKE"),
        ("g$lshzxetdKE", "AKE"),
        ("AAgK", "AK"),
        ("mKg$n", "g$nKm"),
        ("Ex", "xE"),
        # Redis forgets the n.
        ("KEAn", "AnKE"),
    ],
)
def test_it_is_shown_as_in_redis(given: str, shown: str) -> None:
    kind = EventClasses()
    assert kind.render(kind.parse([given])) == shown


@pytest.mark.parametrize("letters", ["y", "KEa", "K E", "k", "é"])
def test_other_letters_are_refused(letters: str) -> None:
    with pytest.raises(ValueError, match=r"^Invalid event class character\. Use 'Ag\$lsh"):
        EventClasses().parse([letters])


def test_it_is_one_word() -> None:
    with pytest.raises(ValueError, match="wrong number of arguments"):
        EventClasses().parse(["K", "E"])


def test_what_is_shown_means_the_same() -> None:
    kind = EventClasses()
    letters = ALL_CLASSES[:3] + "nKEm"
    for count in range(len(letters) + 1):
        for chosen in itertools.combinations(letters, count):
            value = kind.parse(["".join(chosen)])
            assert set(value) == set(chosen)
            assert kind.parse([kind.render(value)]) == value


def test_config_set() -> None:
    config = LiveConfig(Settings())
    assert config.get("notify-keyspace-events") == ""
    config.set([("notify-keyspace-events", "AK")])
    assert config.get("notify-keyspace-events") == "AK"
    text = (
        "ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - "
        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."
    )
    with pytest.raises(ReplyError) as refused:
        config.set([("notify-keyspace-events", "AKy")])
    assert refused.value.text == text
    assert config.get("notify-keyspace-events") == "AK"
