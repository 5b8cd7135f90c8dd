"""Configuration files: form, quotes, includes; problems are collected with their place."""

from pathlib import Path

import pytest

from kiwi_engine.config.file import Assignment, read_file


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_reads_keys_comments_and_quotes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "kiwi.conf",
        "# a comment\n\n  \t# another\n"
        "PORT 7000\r\n"
        'requirepass "two \\"words\\" \\x41"\n'
        "logfile ''\n"
        "bind 127.0.0.1   ::1",
    )
    problems: list[str] = []
    assert read_file(path, problems) == [
        Assignment(f"{path}:4", "port", ["7000"]),
        Assignment(f"{path}:5", "requirepass", ['two "words" A']),
        Assignment(f"{path}:6", "logfile", [""]),
        Assignment(f"{path}:7", "bind", ["127.0.0.1", "::1"]),
    ]
    assert problems == []


def test_a_comment_does_not_follow_a_value(tmp_path: Path) -> None:
    path = write(tmp_path / "kiwi.conf", "port 7000 # no comment\n")
    assert read_file(path, [])[0].words == ["7000", "#", "no", "comment"]


def test_unbalanced_quotes_are_reported_and_reading_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "kiwi.conf", 'dir "abc\nport 7000\ndir "abc"def\n')
    problems: list[str] = []
    assert [found.name for found in read_file(path, problems)] == ["port"]
    assert problems == [f"{path}:1: unbalanced quotes", f"{path}:3: unbalanced quotes"]


def test_include_takes_its_place_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "more.conf", "include last.conf\nport 2\n")
    write(tmp_path / "sub" / "last.conf", "port 3\n")
    path = write(tmp_path / "kiwi.conf", "port 1\ninclude sub/more.conf\nport 4\n")
    problems: list[str] = []
    assert [found.words for found in read_file(path, problems)] == [["1"], ["3"], ["2"], ["4"]]
    assert problems == []


def test_a_file_may_be_included_twice_but_not_by_itself(tmp_path: Path) -> None:
    write(tmp_path / "common.conf", "port 1\n")
    path = write(tmp_path / "kiwi.conf", "include common.conf\ninclude common.conf\n")
    problems: list[str] = []
    assert len(read_file(path, problems)) == 2
    assert problems == []

    first = write(tmp_path / "first.conf", "include second.conf\n")
    second = write(tmp_path / "second.conf", "include first.conf\nport 1\n")
    assert [found.name for found in read_file(first, problems)] == ["port"]
    assert problems == [f"{second}:1: {first} includes itself"]


@pytest.mark.parametrize("line", ["include", "include a b"])
def test_include_takes_one_name(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "kiwi.conf", line)
    problems: list[str] = []
    assert read_file(path, problems) == []
    assert problems == [f"{path}:1: include: one file name is expected"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "kiwi.conf", "include gone.conf\n")
    problems: list[str] = []
    read_file(path, problems)
    read_file(str(tmp_path), problems)
    assert problems == [
        f"{path}:1: cannot read {tmp_path}/gone.conf: No such file or directory",
        f"{tmp_path}: cannot read {tmp_path}: Is a directory",
    ]


def test_bytes_that_are_not_text_come_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.conf"
    path.write_bytes(b"requirepass \xff\xfe\n")
    (found,) = read_file(str(path), [])
    assert found.words[0].encode("utf-8", "surrogateescape") == b"\xff\xfe"
