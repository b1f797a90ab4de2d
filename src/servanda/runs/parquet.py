"""One finished chunk as the bytes of a Parquet file, and back, with proof that they are whole.

In: the table that the work made of a chunk. Out: bytes that carry in their metadata the run, the
chunk and the SHA-256 of themselves (with zeros in its place), so that a file which was truncated,
altered in any bit, or belongs to another run or chunk is found out.
Format: https://parquet.apache.org/docs/file-format/
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from servanda.errors import QuestionError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_ZEROS = b"0" * 64
"""Where the SHA-256 will be, in hexadecimal."""


class DamagedError(Exception):
    """Bytes that are not the chunk they should be."""


def encode(frame: pd.DataFrame, run: str, number: int) -> bytes:
    """A chunk's table as Parquet; its index is left out. `run` is the manifest's digest.

    Raises:
        QuestionError: the work gave no table, or one with columns that Parquet cannot hold.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(frame, pd.DataFrame):
        raise QuestionError(f"the work gave a {type(frame).__name__}, not a pandas DataFrame")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise QuestionError(f"the table cannot be written as Parquet: {_line(error)}") from error
    label = _label(run, number)
    metadata = {**(table.schema.metadata or {}), b"servanda": label + _ZEROS}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    place = data.rindex(label + _ZEROS) + len(label)
    return data[:place] + _hash(data) + data[place + len(_ZEROS) :]


def decode(data: bytes, run: str, number: int) -> pa.Table:
    """The table of `encode`, if the bytes are whole and of that run and chunk.

    Raises:
        DamagedError: they are not.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    label = _label(run, number)
    place = data.rfind(label) + len(label)
    if place < len(label):
        raise DamagedError("it is not whole, or of another run or chunk")
    if data[place : place + len(_ZEROS)] != _hash(
        data[:place] + _ZEROS + data[place + len(_ZEROS) :]
    ):
        raise DamagedError("it was altered")
    return pq.read_table(pa.BufferReader(data), use_threads=False)


def columns(data: bytes) -> dict[str, str]:
    """Every column's name and type, in order; no rows are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return {field.name: str(field.type) for field in pq.read_schema(pa.BufferReader(data))}


def _label(run: str, number: int) -> bytes:
    return f"run={run} chunk={number} sha256=".encode()


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
