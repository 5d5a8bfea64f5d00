"""The writing end of a segment: room is made ahead and mapped, so that a line costs no system call.

Whatever is stored in a shared mapping belongs to the operating system from then on, as after
write(2): it survives the process however that ends, and `fdatasync` writes it to the disk. Space is
allocated before it is mapped, so a full disk is an OSError, as it would be for a write.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from pathlib import Path

from callgate.store.journal import segments

_ROOM = 256 << 10
_POPULATE_WRITE = 23  # https://man7.org/linux/man-pages/man2/madvise.2.html, since Linux 5.14
_MOUNTS = Path("/proc/self/mountinfo")
# Their allocated blocks are written to in place. Others, such as btrfs, take a new block for each
# write, and a mapping has no way to tell that there is none left but SIGBUS.
_IN_PLACE = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs"})


def can_be_mapped(folder: Path) -> bool:
    """Whether a file in the folder keeps the room that was allocated for it."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return False
    # https://docs.kernel.org/filesystems/proc.html, 3.5: the third field is the device; what
    # follows the lone hyphen begins with the type.
    rows = (line.partition(" - ") for line in mounts)
    return any(
        head.split()[2] == number and tail.split()[0] in _IN_PLACE for head, _, tail in rows if tail
    )


class Appender:
    """A segment of its own for one writer. `size` is how many bytes of lines it has.

    Where it is `mapped`, zeros follow the last line until `end`. Raises OSError.
    """

    __slots__ = ("_begin", "_end", "_room", "fd", "mapped", "path", "size")

    def __init__(self, folder: Path, *, mapped: bool) -> None:
        self.fd, self.path = segments.create(folder)
        self.mapped = mapped
        self.size = 0
        self._begin = self._end = 0  # what of the file is mapped
        self._room: mmap.mmap | None = None

    def append(self, line: bytes) -> None:
        """Write a line. Raises OSError; then nothing of it is left."""
        end = self.size + len(line)
        if end <= self._end and self._room is not None:
            self._room[self.size - self._begin : end - self._begin] = line
        elif self.mapped:
            self._make_room(end)
            self.append(line)
            return
        else:
            self._write(line)
        self.size = end

    def end(self) -> None:
        """Be done with the segment: what stands behind `size` goes, and the lock."""
        self._room = None
        try:
            os.ftruncate(self.fd, self.size)
        finally:
            os.close(self.fd)

    def _make_room(self, end: int) -> None:
        self._room = None
        begin = self.size - self.size % mmap.ALLOCATIONGRANULARITY
        length = -(-(end - begin) // _ROOM) * _ROOM
        os.posix_fallocate(self.fd, begin, length)
        self._room = mmap.mmap(self.fd, length, offset=begin)
        with suppress(OSError):  # all page faults at once; a kernel that cannot takes them singly
            self._room.madvise(_POPULATE_WRITE)
        self._begin, self._end = begin, begin + length

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.pwrite(self.fd, line[written:], self.size + written)
        except OSError:
            if written:
                os.ftruncate(self.fd, self.size)
            raise
