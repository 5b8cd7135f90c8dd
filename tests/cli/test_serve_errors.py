"""`kiwi-engine serve` with a wrong configuration: all problems are named, exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.servers import ROOT


def serve(*words: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KIWI_")}
    return subprocess.run(
        [sys.executable, "-m", "kiwi_engine", "serve", *words],
        env={**environment, **(variables or {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_all_problems_of_all_sources_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "kiwi.conf"
    file.write_text("port 70000\nprot 7379\nappendfsync sometimes\n")
    result = serve(
        *("--config", str(file), "--dir", str(tmp_path / "data"), "--value-treshold", "1kb"),
        variables={"KIWI_MAXCLIENTS": "many", "KIWI_NOSUCH": "1"},
    )
    assert result.returncode == 2
    assert result.stdout == ""
    for word in ("70000", "prot", "sometimes", "many", "KIWI_NOSUCH", "value-treshold"):
        assert word in result.stderr
    assert f"{file}:1" in result.stderr or "line 1" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "data").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = serve("--config", str(tmp_path / "no.conf"))
    assert result.returncode == 2
    assert "no.conf" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = serve("--dir", str(tmp_path / "file" / "data"))
    assert result.returncode == 2
    assert str(tmp_path / "file") in result.stderr
    assert "Traceback" not in result.stderr


def test_an_ill_formed_failpoint_is_refused(tmp_path: Path) -> None:
    result = serve("--dir", str(tmp_path / "data"), variables={"KIWI_FAILPOINT": "nowhere:1"})
    assert result.returncode == 2
    assert "KIWI_FAILPOINT" in result.stderr
    assert "Traceback" not in result.stderr
