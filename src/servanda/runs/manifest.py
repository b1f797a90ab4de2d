"""What a run computes and into which chunks it is cut; enough to know the same run again.

In: the job (a JSON-able mapping that says everything the table depends on), how many cells and
worlds there are, how many of each make a chunk. Out: a `Manifest`, whose chunks follow from it, as
JSON and back, and the first field in which two manifests differ. The servanda and jaxlib versions
and the processor belong to it, for compiled arithmetic may round differently on another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.metadata import version
from typing import Any

from servanda import __version__
from servanda.errors import QuestionError

FORMAT = 1
"""Of the folder: raised when an older folder can no longer be read."""


@dataclass(frozen=True)
class Chunk:
    """A rectangle of the table; `cells` and `worlds` are [first, last + 1), counted from 0."""

    number: int
    cells: tuple[int, int]
    worlds: tuple[int, int]

    def __str__(self) -> str:
        cells = f"cells {self.cells[0]} to {self.cells[1] - 1}"
        return f"chunk {self.number} ({cells}, worlds {self.worlds[0]} to {self.worlds[1] - 1})"


@dataclass(frozen=True)
class Environment:
    """What compiled arithmetic depends on beside the job."""

    servanda: str
    jaxlib: str
    processor: str


@cache
def environment() -> Environment:
    """Of this process."""
    from servanda.game.runtime import processor  # imports JAX: not before it is needed

    return Environment(__version__, version("jaxlib"), processor())


@dataclass(frozen=True)
class Manifest:
    """Everything that a run's table depends on, and how it is cut.

    `chunk` is the largest number of cells and of worlds in one chunk. Chunks are counted with the
    worlds running fastest.
    """

    format: int
    environment: Environment
    job: Mapping[str, Any]
    cells: int
    worlds: int
    chunk: tuple[int, int]

    def __len__(self) -> int:
        """The number of chunks."""
        return -(-self.cells // self.chunk[0]) * -(-self.worlds // self.chunk[1])

    def __getitem__(self, number: int) -> Chunk:
        """The chunk of that number, from 0."""
        if not 0 <= number < len(self):
            raise IndexError(f"chunk {number} of {len(self)}")
        row, column = divmod(number, -(-self.worlds // self.chunk[1]))
        first_cell, first_world = row * self.chunk[0], column * self.chunk[1]
        return Chunk(
            number,
            (first_cell, min(first_cell + self.chunk[0], self.cells)),
            (first_world, min(first_world + self.chunk[1], self.worlds)),
        )

    def __iter__(self) -> Iterator[Chunk]:
        return (self[number] for number in range(len(self)))

    def to_json(self) -> str:
        """The same text for the same manifest."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def digest(self) -> str:
        """A short name of this manifest, which every chunk's file carries."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def describe(job: Mapping[str, Any], cells: int, worlds: int, chunk: tuple[int, int]) -> Manifest:
    """The manifest of a run on this machine.

    The job is passed through JSON: tuples become lists, keys become strings, and the work gets it
    like that, the same in the first run and in every resumed one.

    Raises:
        QuestionError: a count below 1, or a job that JSON cannot hold.
    """
    counts = {
        "number of cells": cells,
        "number of worlds": worlds,
        "number of cells in a chunk": chunk[0],
        "number of worlds in a chunk": chunk[1],
    }
    for what, count in counts.items():
        if count < 1:
            raise QuestionError(f"the {what} is {count}; give 1 or more")
    try:
        plain = json.loads(json.dumps(dict(job), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise QuestionError(
            f"the job cannot be written as JSON ({error}): use numbers, texts, lists and mappings"
        ) from None
    cut = (min(chunk[0], cells), min(chunk[1], worlds))
    return Manifest(FORMAT, environment(), plain, int(cells), int(worlds), cut)


def from_json(text: str, where: str) -> Manifest:
    """The manifest that `to_json` wrote; `where` is named in the error.

    Raises:
        QuestionError: it is no manifest, or one of another format.
    """
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise QuestionError(
                f"{where} has format {found['format']}, this version reads {FORMAT}: "
                "read it with the version that wrote it, or compute it into a new folder"
            )
        if set(found) != {field.name for field in fields(Manifest)}:
            raise ValueError("other fields than a manifest has")
        cells, worlds = (int(size) for size in found["chunk"])
        surroundings = Environment(**found["environment"])
        return Manifest(
            **{**found, "environment": surroundings, "chunk": (cells, worlds)},
        )
    except (ValueError, TypeError, KeyError) as error:
        raise QuestionError(
            f"{where} is not the manifest of a run ({error}): choose another folder"
        ) from None


def difference(there: Manifest, here: Manifest) -> tuple[str, Any, Any] | None:
    """The first field (as 'job.seed') in which two manifests differ, with both values."""
    return _difference(json.loads(there.to_json()), json.loads(here.to_json()), "")


_ABSENT = "absent"


def _difference(there: Any, here: Any, name: str) -> tuple[str, Any, Any] | None:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted(there.keys() | here.keys()):
            path = f"{name}.{key}" if name else key
            found = _difference(there.get(key, _ABSENT), here.get(key, _ABSENT), path)
            if found:
                return found
        return None
    # 1 and 1.0 and True are equal in Python and not in JSON
    return None if json.dumps(there) == json.dumps(here) else (name, there, here)
