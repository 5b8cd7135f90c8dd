"""The program as a whole: verbs, exit codes, errors without tracebacks."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kiwi_engine.cli import main as program
from kiwi_engine.errors import ConfigError, CorruptionError, LayoutError, LockedError

ROOT = Path(__file__).parents[2]


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kiwi_engine", *words],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", **variables},
    )


def test_help_lists_all_verbs() -> None:
    result = run("--help")
    assert result.returncode == 0
    for verb in program.VERBS:
        assert f"    {verb} " in result.stdout


@pytest.mark.parametrize("verb", program.VERBS)
def test_each_verb_explains_itself(verb: str) -> None:
    result = run(verb, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"usage: kiwi-engine {verb}" in result.stdout


def test_serve_offers_every_key_as_a_flag() -> None:
    text = run("serve", "--help").stdout
    assert "--rocksdb-write-buffer-size VALUE" in text
    assert "--hash-max-ziplist-entries VALUE" in text


def test_a_flag_may_have_the_older_name_of_a_key() -> None:
    result = run("serve", "--hash-max-ziplist-entries", "many")
    assert result.returncode == 2
    assert "hash-max-listpack-entries 'many': argument couldn't be parsed" in result.stderr


@pytest.mark.parametrize("words", [[], ["nosuch"], ["--nosuch"], ["config", "--nosuch"]])
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    result = run(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert "usage: kiwi-engine" in result.stderr
    assert "Traceback" not in result.stderr


def test_wrong_configuration_lists_everything(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.conf"
    path.write_text("nosuch 1\n")
    words = ("serve", "--config", str(path), "--port", "99999", "--prot", "1")
    result = run(*words, KIWI_MEMORY="lots")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"kiwi-engine: {path}:1: unknown key 'nosuch'",
        "kiwi-engine: environment KIWI_MEMORY: memory 'lots': argument must be a memory value",
        "kiwi-engine: command line: port '99999': argument must be between 0 and 65535 inclusive",
        "kiwi-engine: command line: unknown key 'prot'; did you mean 'port'?",
    ]


def test_a_directory_that_cannot_work_is_a_problem_of_configuration(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path, problem in (
        (file, f"{file} is not a directory"),
        (
            tmp_path / "missing" / "data",
            f"{tmp_path}/missing/data cannot be made: there is no directory {tmp_path}/missing",
        ),
    ):
        result = run("serve", "--dir", str(path))
        assert (result.returncode, result.stderr) == (2, f"kiwi-engine: dir: {problem}\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_a_problem_of_configuration(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = run("serve", "--dir", str(tmp_path))
    assert result.returncode == 2
    assert "may not be read and written" in result.stderr
    assert "may not be written" in run("serve", "--dir", str(tmp_path / "data")).stderr
    tmp_path.chmod(0o700)


def test_version_names_the_program_and_its_formats() -> None:
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("Kiwi Engine ")
    assert "RocksDB" in result.stdout


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError(["one", "two"]), 2, "kiwi-engine: one\nkiwi-engine: two\n"),
        (
            CorruptionError("wal/1", 7, "bad checksum"),
            4,
            "kiwi-engine: damaged data: wal/1 at offset 7: bad checksum\n",
        ),
        (LayoutError("wal version 9"), 2, "kiwi-engine: wal version 9\n"),
        (LockedError("in use by process 1"), 3, "kiwi-engine: in use by process 1\n"),
        (
            PermissionError(13, "Permission denied", "/data"),
            1,
            "kiwi-engine: /data: Permission denied\n",
        ),
        (OSError("no more"), 1, "kiwi-engine: no more\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException,
    code: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(arguments: object) -> int:
        raise error

    def module_of(name: str) -> ModuleType:
        module = __import__(name, fromlist=["run"])
        monkeypatch.setattr(module, "run", fail)
        return module

    monkeypatch.setattr(importlib, "import_module", module_of)
    assert program.main(["config"]) == code
    assert capsys.readouterr().err == text
