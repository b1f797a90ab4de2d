"""Everything of every offer in as many worlds as wanted, as one large table.

In: a scenario, offers, packages of levers, a number of worlds. Out: a `Table` of one row per
package, offer and world, computed chunk by chunk (`servanda.runs`): kept on disk as it comes,
resumed after a kill, and the same whatever the workers.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from servanda.errors import QuestionError
from servanda.game.batch import cores, here
from servanda.game.levels import choose_levels
from servanda.questions.compare import choose_deals
from servanda.questions.grid_error import stated_dates
from servanda.questions.outcomes import BATCH, Offers, Outcomes, Wanted, prepare
from servanda.questions.packages import amounts, package, schedule_of_package
from servanda.runs import Chunk, Table, run
from servanda.scenario.load import load
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import Worlds, draw

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 1024
"""Worlds drawn together: more are drawn in blocks of so many, so that memory does not grow."""

PER_CHUNK = 16
"""Worlds in a chunk; divides BLOCK."""


def table(
    scenario: Scenario,
    deals: Sequence[str] | None = None,
    packages: Sequence[Mapping[str, float]] = ({},),
    *,
    worlds: int = 1024,
    seed: int = 0,
    levels: tuple[int, ...] | None = None,
    folder: str | Path | None = None,
    workers: int = 2,
    processes: bool = False,
    cluster: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Compute the table, or go on with one that a folder holds.

    `packages` are intensities of levers by name ({}: none is pulled). `cluster` is the address of a
    Dask scheduler. Up to 1,024 worlds are those of every other question with the same seed; more
    are drawn in blocks of 1,024. Raises QuestionError for unknown names and what `runs.run` does.
    """
    if worlds < 1:
        raise QuestionError(f"at least one world is needed, not {worlds}")
    chosen = choose_deals(scenario, deals)
    if not packages:
        raise QuestionError("give at least one package; an empty one pulls no lever")
    found = [package(scenario, p) for p in packages]
    grid = levels or choose_levels(scenario)
    batches = -(-len(chosen) // BATCH)
    apart = processes or cluster is not None
    job: dict[str, Any] = {
        "question": "table",
        "figures": list(_OVER_TIME),
        "hash": scenario.hash,
        "case": _text(scenario) if apart else None,
        "deals": [p.name for p in chosen],
        "packages": [dict(p) for p in found],
        "worlds": worlds,
        "seed": seed,
        "levels": list(grid),
        "paths": Wanted().paths,
    }
    with _LOCK:
        _CASES[scenario.hash] = scenario
    pool = None if apart else cores(workers)
    try:
        return run(
            job,
            work,
            folder,
            cells=len(found) * batches,
            worlds=worlds,
            chunk=(1, PER_CHUNK),
            workers=workers,
            processes=processes,
            pool=pool,
            cluster=cluster,
            progress=progress,
        )
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def packages_in_words(words: Sequence[str] | None) -> list[dict[str, float]]:
    """Packages as typed: levers with commas between them, each perhaps with `=intensity`."""
    found = []
    for text in words or [""]:
        pulled: dict[str, float] = {}
        for part in filter(None, (x.strip() for x in text.split(","))):
            name, _, number = part.partition("=")
            try:
                pulled[name.strip()] = float(number) if number else 1.0
            except ValueError:
                raise QuestionError(f"'{part}': write lever=0.5, or the lever alone") from None
        found.append(pulled)
    return found


_OVER_TIME = ("survival", "unaccused", "broken", "accused", "expired")
"""Figures of `Outcomes` that a row has at the stated dates."""


def work(job: Mapping[str, Any], chunk: Chunk) -> pd.DataFrame:
    """One chunk: a batch of offers under one package, in some worlds; on one thread."""
    import pandas as pd

    scenario = _case(job)
    batches = -(-len(job["deals"]) // BATCH)
    which, batch = divmod(chunk.cells[0], batches)
    names = job["deals"][batch * BATCH : (batch + 1) * BATCH]
    sample = worlds_between(scenario, job["worlds"], job["seed"], *chunk.worlds)
    values = sample.values
    pulled = package(scenario, job["packages"][which])
    if len(pulled):
        drawn = amounts(scenario, len(sample), _seed(job["seed"], chunk.worlds[0]))
        values = schedule_of_package(scenario, values, pulled, drawn)
    offers = _offers(scenario, tuple(names), tuple(job["levels"]), job["seed"])
    found = offers.run(values, pool=here(), lots=np.arange(*chunk.worlds))
    parts = [
        rows(found, k, name, which, chunk.worlds[0], sample.weight) for k, name in enumerate(names)
    ]
    return pd.concat(parts, ignore_index=True)


def rows(
    found: Outcomes, deal: int, name: str, package: int, first: int, weight: np.ndarray
) -> pd.DataFrame:
    """One offer's rows: a world each."""
    import pandas as pd

    one = found.worth.isel(deal=deal)
    count, last = one.sizes["world"], int(found.survival.period[-1])
    columns: dict[str, Any] = {
        "package": np.full(count, package),
        "deal": [name] * count,
        "world": first + np.arange(count),
        "weight": weight,
    }
    for i, party in enumerate(map(str, one.party.values)):
        columns[f"worth.{party}"] = one.values[:, i]
        columns[f"no_deal.{party}"] = found.no_deal.values[:, deal, i]
        columns[f"signs.{party}"] = found.signing.values[:, deal, i]
    columns["signs.all"] = found.joint.values[:, deal]
    for t in stated_dates(last):
        for name in _OVER_TIME:
            figure = getattr(found, name)
            whole = figure.sum("obligation") if "obligation" in figure.dims else figure
            columns[f"{name}.{t}"] = whole.values[:, deal, t]
    return pd.DataFrame(columns)


# -- worlds, a few at a time ----------------------------------------------------------------------


def worlds_between(scenario: Scenario, total: int, seed: int, first: int, last: int) -> Worlds:
    """Worlds `first` to `last` - 1 of `total`, all inside one block."""
    block = first // BLOCK
    drawn = _block(scenario, total, seed, block)
    part = slice(first - block * BLOCK, last - block * BLOCK)
    share = len(drawn) / total
    return replace(
        drawn,
        values=drawn.values[part],
        hypotheses={g: x[part] for g, x in drawn.hypotheses.items()},
        weight=drawn.weight[part] * share,
        share=drawn.share[part],
    )


def _seed(seed: int, part: int) -> int:
    """A seed of its own for a part of the work."""
    return int(np.random.SeedSequence([seed, part]).generate_state(1)[0])


_BLOCKS: dict[tuple[str, int, int, int], Worlds] = {}


def _block(scenario: Scenario, total: int, seed: int, block: int) -> Worlds:
    count = min(BLOCK, total - block * BLOCK)
    key = (scenario.hash, count, seed, block)
    with _LOCK:
        if key not in _BLOCKS:
            while len(_BLOCKS) >= 4:
                _BLOCKS.pop(next(iter(_BLOCKS)))
            _BLOCKS[key] = draw(scenario, count, _seed(seed, block) if block else seed)
        return _BLOCKS[key]


# -- what a process keeps between chunks ----------------------------------------------------------

_LOCK = threading.RLock()
_CASES: dict[str, Scenario] = {}


def _case(job: Mapping[str, Any]) -> Scenario:
    """The scenario of a job: this process's own, or read from the job."""
    with _LOCK:
        if job["hash"] not in _CASES:
            if job["case"] is None:
                raise QuestionError("the job does not carry its scenario; run it from its start")
            _CASES[job["hash"]] = load(job["case"])
        return _CASES[job["hash"]]


def _text(scenario: Scenario) -> str:
    """The scenario's file, to be sent to other processes."""
    if scenario.source is None:
        raise QuestionError(
            "other processes need the scenario's file: load it from one, or use threads"
        )
    path = scenario.source / "scenario.yaml" if scenario.source.is_dir() else scenario.source
    return path.read_text(encoding="utf-8")


def _offers(
    scenario: Scenario, names: tuple[str, ...], levels: tuple[int, ...], seed: int
) -> Offers:
    with _LOCK:
        return _prepared(scenario.hash, names, levels, seed)


@functools.lru_cache(maxsize=8)
def _prepared(case: str, names: tuple[str, ...], levels: tuple[int, ...], seed: int) -> Offers:
    scenario = _CASES[case]
    proposals = [scenario.proposals[n] for n in names]
    return prepare(scenario, proposals, tuple(scenario.assumptions), levels=levels, seed=seed)
