"""The rows themselves, and what is derived from them."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from kiwi_engine.config import Settings, load_settings
from kiwi_engine.config.file import read_file
from kiwi_engine.config.reference import default_text, reference_page, sample_file
from kiwi_engine.config.schema import HINTS, SCHEMA, Key, unknown_key

ROOT = Path(__file__).parents[2]
KEYS = pytest.mark.parametrize("key", SCHEMA.values(), ids=SCHEMA.keys())


@KEYS
def test_every_default_is_a_value_that_may_be_given(key: Key) -> None:
    assert key.parse([default_text(key)]) == key.default
    assert key.parse([key.render(Settings())]) == key.default


@KEYS
def test_every_key_can_be_given_everywhere(key: Key) -> None:
    assert key.variable == "KIWI_" + key.name.upper().replace("-", "_")
    text = default_text(key)
    assert load_settings(None, {key.variable: text}, {key.name: text}) == load_settings()


@KEYS
def test_help_is_a_sentence(key: Key) -> None:
    assert key.row.help[0].isupper() or key.row.help.startswith(("dual", "single"))
    assert key.row.help.endswith(".")


def test_sections_stand_together() -> None:
    sections = [key.row.section for key in SCHEMA.values()]
    assert len(set(sections)) == sum(
        section != before for before, section in zip(["", *sections], sections, strict=False)
    )


def test_a_hint_is_for_keys_that_do_not_exist() -> None:
    assert not set(HINTS) & set(SCHEMA)
    assert unknown_key("Save") == "unknown key 'Save': " + HINTS["save"]
    assert unknown_key("qqqqq") == "unknown key 'qqqqq'"


def test_the_sample_file_spells_out_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.conf"
    path.write_text(sample_file())
    assert load_settings(str(path)) == load_settings()
    assert [found.name for found in read_file(str(path), [])] == list(SCHEMA)
    assert max(len(line) for line in sample_file().splitlines()) <= 88


def test_the_reference_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == reference_page()


def test_settings_travel_to_the_storage_runtime() -> None:
    settings = Settings(bind=("::1",), requirepass="secret")
    packed = msgspec.msgpack.encode(settings)
    assert msgspec.msgpack.decode(packed, type=Settings) == settings


def test_the_program_prints_both() -> None:
    def output(*words: str) -> str:
        command = [sys.executable, "-m", "kiwi_engine", "config", *words]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert output() == sample_file()
    assert output("--markdown") == reference_page()
