"""The engine of large tables: chunked, streamed to Parquet, resumable, on any number of workers.

`run` computes a table of cells × worlds chunk by chunk and returns it as a `Table`; `read` opens
one computed earlier. It knows nothing of games: what a chunk is worth is up to the `work` it is
given, a function of the job and the chunk. Names are imported on first use: nothing here is loaded
by `import servanda`.
"""

from servanda.runs.manifest import Chunk, Manifest
from servanda.runs.pace import Pace
from servanda.runs.parts import Place, nowhere, parts
from servanda.runs.run import run
from servanda.runs.table import Table, read

__all__ = ["Chunk", "Manifest", "Pace", "Place", "Table", "nowhere", "parts", "read", "run"]
