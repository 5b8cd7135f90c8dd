"""ext4 file systems in image files, mounted through loop devices (shell; needs root).

`Volume` is one of a given size, to fill it up. `PowerDevice` is one that can lose power: the image
of the file system that programs see lies on another such file system, whose page cache takes the
part of the volatile cache of a disk. A flush of the inner device is an `fsync` of that image. To
cut the power is to shut a file system down at an instant, in the kernel, without writing anything
more: the outer one, and everything that was not flushed is gone; the inner one, and everything that
the device had been given is kept, as by a disk whose cache has a battery.

A copy of the image of a mounted file system would be no such thing: it takes a while, in which the
kernel goes on writing, and so shows a state that the device never had.

Mounts are undone by the `with` block; a loop device goes with its mount.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kiwi_engine import clock

MEBIBYTE: Final = 1 << 20
# FS_IOC_SHUTDOWN of <linux/fs.h>, with the flag that not even the journal is written.
_SHUT_DOWN: Final = 0x8004587D
_WITHOUT_FLUSHING: Final = struct.pack("I", 2)
_BUSY_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02
_NEEDED: Final = ("mount", "umount", "mkfs.ext4")
# The unit in which a device without power keeps or loses what was not flushed.
_KEPT_BYTES: Final = 16_384


@cache
def why_not() -> str:
    """Why there can be no volume here; "" if there can."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root, to mount"
    missing = [tool for tool in _NEEDED if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    with tempfile.TemporaryDirectory(prefix="kiwi-volume-") as directory:
        try:
            with Volume(Path(directory) / "image", Path(directory) / "mounted", 4 * MEBIBYTE):
                return ""
        except VolumeError as error:
            return f"no loop device can be mounted: {error}"


class VolumeError(Exception):
    """The system did not make or mount a file system."""


class Volume:
    """An ext4 file system of `size_bytes` in `image`, seen in the directory `mounted`."""

    def __init__(self, image: Path, mounted: Path, size_bytes: int) -> None:
        """Nothing is made before `with`."""
        self.image = image
        self.mounted = mounted
        self._size_bytes = size_bytes

    def make(self) -> None:
        """Write the image, all of its blocks, so that its own file has nothing to allocate."""
        zeros = bytes(MEBIBYTE)
        with self.image.open("wb") as file:
            for _ in range(self._size_bytes // MEBIBYTE):
                file.write(zeros)
            file.flush()
            _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0", str(self.image))
            os.fsync(file.fileno())

    def mount(self) -> None:
        """Mount it; after a loss of power ext4 replays its journal here."""
        self.mounted.mkdir(parents=True, exist_ok=True)
        # The device is freed by the unmount, whoever does it.
        _run("mount", "-t", "ext4", "-o", "loop", str(self.image), str(self.mounted))

    @property
    def is_mounted(self) -> bool:
        """As the system says: somebody may press Ctrl-C while it is being mounted."""
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        return str(self.mounted.resolve()) in (line.split(" ")[1] for line in mounts)

    def unmount(self) -> None:
        """Unmount it, if it is mounted; whoever has files open there must be ending."""
        deadline_ns = clock.monotonic_ns() + int(_BUSY_SECONDS * 1e9)
        while self.is_mounted:
            try:
                _run("umount", str(self.mounted))
            except VolumeError:
                # A killed process is gone before those of its threads that are in a system call.
                if clock.monotonic_ns() > deadline_ns:
                    raise
                clock.sleep(_POLL_SECONDS)

    def shut_down(self) -> None:
        """Stop writing to the device at once; what is in memory only never gets there."""
        descriptor = os.open(self.mounted, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUT_DOWN, _WITHOUT_FLUSHING)
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Unmount it even if something still has files open there."""
        if self.is_mounted:
            _run("umount", "--lazy", str(self.mounted))

    def __enter__(self) -> Self:
        self.make()
        try:
            self.mount()
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.unmount()
        except VolumeError:
            self.release()


class PowerDevice:
    """A file system that can lose power, in `directory`; programs use `mounted`."""

    def __init__(self, directory: Path, size_bytes: int) -> None:
        outer_bytes = size_bytes + size_bytes // 8 + 16 * MEBIBYTE
        self._outer = Volume(directory / "device.image", directory / "device", outer_bytes)
        self._inner = Volume(self._outer.mounted / "volume.image", directory / "volume", size_bytes)
        self.mounted = self._inner.mounted

    def cut(self, kept_share: float, rng: random.Random) -> None:
        """Lose power now, and keep this share of what was not flushed; then `restore`.

        Programs that use it may be stopped, but must be ended before `restore`.
        """
        if kept_share < 1:
            self._keep(kept_share, rng)
            self._outer.shut_down()
        # Also where the outer one is gone, or the kernel would go on trying to write.
        self._inner.shut_down()

    def restore(self) -> None:
        """Switch the power on again: both file systems replay their journals."""
        for volume in (self._inner, self._outer):
            volume.unmount()
        for volume in (self._outer, self._inner):
            volume.mount()

    def _keep(self, share: float, rng: random.Random) -> None:
        """Let a random part of what the device has cached reach the medium."""
        descriptor = os.open(self._inner.image, os.O_RDONLY)
        try:
            for offset in range(0, os.fstat(descriptor).st_size, _KEPT_BYTES):
                if rng.random() < share:
                    # Begins to write back what is dirty there.
                    os.posix_fadvise(descriptor, offset, _KEPT_BYTES, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        self._outer.__enter__()
        try:
            self._inner.__enter__()
        except BaseException:
            self._outer.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._inner.__exit__(kind, error, trace)
        finally:
            self._outer.__exit__(kind, error, trace)


def _run(*words: str) -> None:
    """Run a tool to its end, even if somebody presses Ctrl-C; `VolumeError` with what it said."""
    result = subprocess.run(
        words, capture_output=True, text=True, check=False, start_new_session=True
    )
    if result.returncode != 0:
        raise VolumeError(f"{' '.join(words)}: {result.stderr.strip() or result.returncode}")
