"""Where finished chunks are kept: in a folder, one Parquet file a chunk, or in memory.

In: a chunk's number and the bytes of its file. Out: which chunks are finished, and their bytes. In
a folder a chunk is finished when its file has its name: the bytes are written beside it and synced,
the file is renamed, the folder is synced. So a writer can be killed at any moment; what it was
writing is then missing, never half there. One process at a time writes a folder.
Source: Pillai et al., All file systems are not created equal, OSDI 2014, section 4.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from servanda.errors import QuestionError
from servanda.runs.manifest import Manifest, difference, from_json
from servanda.runs.parquet import DamagedError, columns, decode

MANIFEST = "manifest.json"
LOCK = "lock"
_CHUNK = re.compile(r"chunk-(\d{6,})\.parquet")


@dataclass(frozen=True)
class Memory:
    """Finished chunks of a run that is not kept."""

    held: dict[int, bytes] = field(default_factory=dict)

    def keep(self, number: int, data: bytes) -> None:
        """Make a chunk finished."""
        self.held[number] = data

    def load(self, number: int) -> bytes:
        """A finished chunk's bytes."""
        return self.held[number]


@dataclass(frozen=True)
class Folder:
    """Finished chunks in the files of a folder."""

    path: Path

    def file(self, number: int) -> Path:
        """Where a chunk lies once it is finished."""
        return self.path / f"chunk-{number:06d}.parquet"

    def keep(self, number: int, data: bytes) -> None:
        """Make a chunk finished, if the caller holds the folder's lock."""
        write_whole(self.file(number), data)

    def load(self, number: int) -> bytes:
        """A finished chunk's bytes."""
        return self.file(number).read_bytes()

    def numbers(self) -> list[int]:
        """The numbers of the chunks that have a file, whole or not, in order."""
        found = (_CHUNK.fullmatch(file.name) for file in self.path.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def manifest(self) -> Manifest:
        """The manifest of the run in this folder.

        Raises:
            QuestionError: there is none, or it cannot be read.
        """
        path = self.path / MANIFEST
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise QuestionError(
                f"there is no run in {self.path} (no {MANIFEST}): choose the folder of a run"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise QuestionError(f"{path} cannot be read: {error}") from None
        return from_json(text, str(path))


Store = Folder | Memory


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there with all its bytes, also after a crash, or not at all."""
    new = path.with_name(path.name + ".tmp")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    if sys.platform == "win32":
        return  # a folder cannot be opened there; NTFS keeps a journal of names
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def writing(path: Path, manifest: Manifest) -> Iterator[Folder]:
    """A folder of that run, made if need be, which nobody else writes meanwhile.

    What a killed writer left half written is removed.

    Raises:
        QuestionError: another run is in it or writes it, it holds other files, or cannot be made.
    """
    folder = Folder(path)
    with contextlib.ExitStack() as held:
        try:
            if not path.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                _sync_folder(path.parent)
            held.enter_context(_locked(path))
            _begin(folder, manifest)
        except OSError as error:
            why = error.strerror or error
            raise QuestionError(f"{path} cannot be used for a run: {why}") from error
        yield folder


def _begin(folder: Folder, manifest: Manifest) -> None:
    """See that the folder is of this run, or make it so if it is empty."""
    names = {file.name for file in folder.path.iterdir()}
    leftovers = {name for name in names if name.endswith(".tmp") and _ours(name[:-4])}
    if MANIFEST in names:
        other = difference(folder.manifest(), manifest)
        if other:
            name, there, here = other
            raise QuestionError(
                f"{folder.path} holds another run: {name} is {_short(there)} there and "
                f"{_short(here)} here; choose a new folder, or run with the same {name}"
            )
    elif names - leftovers - {LOCK}:
        raise QuestionError(
            f"{folder.path} holds other files and no run: choose a new or an empty folder"
        )
    else:
        write_whole(folder.path / MANIFEST, manifest.to_json().encode())
    for name in leftovers:
        (folder.path / name).unlink(missing_ok=True)


def _ours(name: str) -> bool:
    return name == MANIFEST or _CHUNK.fullmatch(name) is not None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The folder's lock; the system takes it back from a process that ends, however it ends."""
    with (path / LOCK).open("a+", encoding="utf-8") as file:
        if not _take(file.fileno()):
            raise QuestionError(
                f"{path} is being written by another run{_holder(path)}: "
                "wait until it has ended, or choose another folder"
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def _holder(path: Path) -> str:
    try:
        text = (path / LOCK).read_text(encoding="utf-8")[:100]
    except OSError:  # Windows lets nobody read a locked file
        return ""
    return f" ({text})" if text else ""


def _take(descriptor: int) -> bool:
    """Lock an open file for as long as it is open; whether that could be done at once."""
    if sys.platform == "win32":
        import msvcrt

        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True)
class Finished:
    """Which chunks are finished and whole, and what columns they have (None before the first)."""

    numbers: frozenset[int]
    columns: dict[str, str] | None


def finished(store: Store, manifest: Manifest) -> Finished:
    """Read every chunk that is there, one at a time; one that is damaged does not count."""
    there = store.numbers() if isinstance(store, Folder) else sorted(store.held)
    whole: list[int] = []
    first: dict[str, str] | None = None
    for number in there:
        if number >= len(manifest):
            continue
        data = store.load(number)
        try:
            decode(data, manifest.digest(), number)
        except DamagedError:
            continue
        first = columns(data) if first is None else first
        whole.append(number)
    return Finished(frozenset(whole), first)
