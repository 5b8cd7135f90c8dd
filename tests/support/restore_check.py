"""Restores of a backup, some of them killed and made again, and what they bring back (shell)."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from kiwi_engine.engine.backup.manifest import MANIFEST
from kiwi_engine.failpoints import VARIABLE
from tests.support.backup_watch import BackupWatch
from tests.support.read_back import ReadBackError, key_count, read_back
from tests.support.servers import ROOT, kiwi

# The failpoints of a restore; in how many of them it dies at all.
RESTORE_FAILPOINTS: Final = ("restore-copy", "restore-replay")
KILLED_SHARE: Final = 0.7
_COUNT_MAX: Final = 12


class RestoreFailedError(Exception):
    """There is no restored directory to look at, or not what should be in it."""


class RestoreCheck:
    """Restores what a `BackupWatch` had made to `directory`, alone and with the log `archive`."""

    def __init__(
        self,
        watch: BackupWatch,
        directory: Path,
        archive: Path,
        settings: Mapping[str, str | int],
    ) -> None:
        self.reached: set[str] = set()
        self.restored = 0
        self._watch = watch
        self._directory = directory
        self._archive = archive
        self._settings = {**settings, "runtime-mode": "single"}

    def run(self, rng: random.Random, keys: Sequence[bytes], *, with_archive: bool) -> list[str]:
        """Everything that is wrong with the backup and the archive as they are now."""
        if not (self._watch.target / MANIFEST).exists():
            return ["a backup was made, and is not there"] if self._watch.made else []
        try:
            self._restore(rng, "restore-copy")
            violations, moment = self._watch.judge(self._read(keys))
            if moment is not None and with_archive and not violations:
                self._restore(rng, "restore-replay", "--archive", str(self._archive))
                violations = moment.judge(self._read(keys), and_later=True)
        except (RestoreFailedError, ReadBackError) as error:
            violations = [str(error)]
        return [f"restored: {text}" for text in violations]

    def _restore(self, rng: random.Random, failpoint: str, *options: str) -> None:
        """Restore; perhaps it dies before, and is made again."""
        shutil.rmtree(self._directory, ignore_errors=True)
        words = [sys.executable, "-m", "kiwi_engine", "restore", *options]
        words += [str(self._watch.target), str(self._directory)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KIWI_")}
        if rng.random() < KILLED_SHARE:
            armed = {VARIABLE: f"{failpoint}:{rng.randint(1, _COUNT_MAX)}"}
            result = _run(words, {**environment, **armed})
            if result.returncode == -signal.SIGKILL:
                self.reached.add(failpoint)
                if self._directory.exists():
                    raise RestoreFailedError(f"killed at {failpoint}, and something is there")
        if not self._directory.exists():
            result = _run(words, environment)
        if result.returncode != 0:
            output = result.stdout + result.stderr
            raise RestoreFailedError(f"restore ended with {result.returncode}: {output}")
        self.restored += 1

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """What a server finds in the restored directory."""
        with kiwi(self._directory, self._settings) as server, server.client() as client:
            observed = read_back(client, list(keys))
            present = key_count(observed)
            if (size := client.command("DBSIZE")) != present:
                raise RestoreFailedError(f"DBSIZE says {size}, {present} keys can be read")
            return observed


def _run(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
