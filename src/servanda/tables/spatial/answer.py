"""The answer of the spatial lens, with everything behind it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from servanda.tables.spatial.bargaining import History
from servanda.tables.spatial.centre import Contest
from servanda.tables.spatial.challenge import Challenges
from servanda.tables.spatial.coalitions import Coalitions
from servanda.tables.spatial.movers import Movers
from servanda.tables.spatial.sensitivity import Election, Sensitivity
from servanda.tables.spatial.table import Table


@dataclass(frozen=True, eq=False)
class SpatialAnswer:
    """Everything `spatial` found; positions are in the units of the table.

    What was not computed is None or missing, and `notes` say why.
    """

    table: Table
    mean: Float[np.ndarray, " dimension"]
    median: tuple[Float[np.ndarray, " dimension"], Float[np.ndarray, " dimension"]]  # lower, upper
    contest: Contest
    election: Election
    probability: Float[np.ndarray, " option"]  # of the options of `contest`
    expected: Float[np.ndarray, " dimension"]
    challenges: Mapping[str, Challenges]  # by dimension
    history: History | None
    final: Float[np.ndarray, "run dimension"] | None  # weighted mean at the end of every run
    coalitions: Coalitions | None
    sensitivity: Mapping[str, Sensitivity]  # by outcome
    movers: Movers | None
    notes: tuple[str, ...]
    seed: int

    def to_dataframe(self) -> Any:
        """One row per actor: its inputs, its position's probability, where it ends, its power."""
        frame = self.table.to_dataframe()
        of = {a: o for o, names in enumerate(self.contest.holders) for a in names}
        frame["probability"] = [self.probability[of[a]] for a in self.table.actors]
        for name, played in self.challenges.items():
            ends = dict(zip(played.actors, played.position[-1], strict=True))
            frame[f"after challenges {name}"] = [ends.get(a, math.nan) for a in self.table.actors]
        if self.history is not None:
            middle = np.median(self.history.position[-1], axis=0)
            for k, name in enumerate(self.table.dimensions):
                frame[f"after bargaining {name}"] = middle[:, k]
        if self.coalitions is not None:
            frame["power"] = self.coalitions.shapley
        return frame

    def to_json(self) -> str:
        """The whole answer as JSON, figures rounded to six digits; what is no number is null."""
        return json.dumps(_plain(self), indent=2, ensure_ascii=False)

    def plot(self, what: str = "turns", path: str | os.PathLike[str] | None = None) -> Any:
        """A chart as a Vega-Lite specification, or saved to `path` (.svg, .png or .json).

        `what` is turns, rounds, positions, election or sensitivity.
        """
        from servanda.tables.spatial.pictures import picture

        return picture(self, what, path)

    def _repr_html_(self) -> str:
        from servanda.show.render import to_svg

        return to_svg(self.plot("positions" if self.history is None else "turns"))

    def __str__(self) -> str:
        from servanda.show.page import as_text
        from servanda.tables.spatial.page import blocks

        return as_text(blocks(self))


def _plain(x: Any) -> Any:
    """Dataclasses and arrays as plain JSON values."""
    if isinstance(x, np.ndarray):
        return [_plain(v) for v in x.tolist()] if x.ndim else _plain(x.item())
    if isinstance(x, (float, np.floating)):
        return float(f"{float(x):.6g}") if math.isfinite(x) else None
    if isinstance(x, (np.integer, np.bool_)):
        return x.item()
    if isinstance(x, Mapping):
        return {str(k): _plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(v) for v in x]
    if isinstance(x, History):  # the spread over runs: every run would fill the file
        band = np.quantile(x.position, (0.1, 0.5, 0.9), axis=1)
        return _plain(
            {
                "actors": x.actors,
                "dimensions": x.dimensions,
                "quantiles": (0.1, 0.5, 0.9),
                "position": band,  # quantile, turn, actor, dimension
                "length": x.length,
                "settled": x.settled,
                "options": x.options,
                "seed": x.seed,
            }
        )
    if hasattr(x, "__dataclass_fields__"):
        return {k: _plain(getattr(x, k)) for k in x.__dataclass_fields__}
    return x
