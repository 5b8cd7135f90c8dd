"""The log lines of both runtimes."""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi_engine.logs import VERBOSE, set_level, setup_logging


@pytest.fixture(autouse=True)
def root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def written(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_line_says_who_when_and_how_grave(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.log"
    setup_logging("storage", "notice", str(path))
    logger = logging.getLogger("kiwi_engine.test")
    logger.info("recovered %d records", 12)
    logger.warning("slow")
    logger.error("lost")
    first, second, third = written(path)
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(f"{os.getpid()} storage {stamp} notice recovered 12 records", first)
    assert second.endswith(" warning slow")
    assert third.endswith(" error lost")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["d", "v", "n", "w"]),
        ("verbose", ["v", "n", "w"]),
        ("notice", ["n", "w"]),
        ("warning", ["w"]),
    ],
)
def test_levels_are_those_of_redis(tmp_path: Path, level: str, expected: list[str]) -> None:
    path = tmp_path / "kiwi.log"
    setup_logging("network", "notice", str(path))
    set_level(level)
    logger = logging.getLogger("kiwi_engine.test")
    logger.debug("d")
    logger.log(VERBOSE, "v")
    logger.info("n")
    logger.warning("w")
    assert [line.rsplit(" ", 1)[1] for line in written(path)] == expected


def test_a_rotated_file_is_reopened(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.log"
    setup_logging("network", "notice", str(path))
    logger = logging.getLogger("kiwi_engine.test")
    logger.info("before")
    path.rename(tmp_path / "kiwi.log.1")
    logger.info("after")
    assert len(written(tmp_path / "kiwi.log.1")) == 1
    assert written(path)[0].endswith("notice after")


def test_set_up_again_replaces(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.log"
    setup_logging("network", "notice", str(path))
    setup_logging("storage", "notice", str(path))
    logging.getLogger("kiwi_engine.test").info("once")
    (line,) = written(path)
    assert " storage " in line


def test_without_a_file_it_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("server", "notice", "")
    logging.getLogger("kiwi_engine.test").info("hello")
    assert capsys.readouterr().err.endswith(" notice hello\n")
