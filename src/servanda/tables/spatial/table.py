"""Who stands where, cares how much, and can do what: the table all spatial models start from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from servanda.errors import QuestionError

LARGEST: Final = 1e12  # larger numbers are slips of the keyboard
MAX_ACTORS: Final = 500
MAX_DIMENSIONS: Final = 50


@dataclass(frozen=True, eq=False)
class Table:
    """Actors' positions, salience and capability.

    `low` and `high` are the ends of every dimension's scale. `accommodation` says how far an
    actor's ideal follows positions: ideal_i ← Σ_j a_ij position_j + (1 − Σ_j a_ij) ideal_i after
    every turn; the identity (the default) means that an actor wants what it says.
    """

    actors: tuple[str, ...]
    dimensions: tuple[str, ...]
    position: Float[np.ndarray, "actor dimension"]  # in the units of the scale
    salience: Float[np.ndarray, "actor dimension"]  # shares of attention, 0 to 1
    capability: Float[np.ndarray, " actor"]  # in any unit, above 0
    low: Float[np.ndarray, " dimension"]
    high: Float[np.ndarray, " dimension"]
    accommodation: Float[np.ndarray, "actor actor"] | None = None
    title: str = ""
    unit: str = ""  # of positions
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        mistake = self._mistake()
        if mistake:
            raise QuestionError(mistake)
        for name in ("position", "salience", "capability", "low", "high", "accommodation"):
            value = getattr(self, name)
            if value is not None:
                frozen = np.array(value, dtype=float)
                frozen.flags.writeable = False
                object.__setattr__(self, name, frozen)

    @classmethod
    def of(
        cls,
        actors: Sequence[str],
        position: Any,
        salience: Any,
        capability: Any,
        *,
        dimensions: Sequence[str] = (),
        scale: Any = None,
        **more: Any,
    ) -> Table:
        """A table from lists or arrays; one dimension may be given without its inner brackets.

        `scale` is [low, high] for all dimensions, or one such pair a dimension; without it the
        scale runs from the lowest position to the highest. Raises QuestionError.
        """
        x = _matrix(position, len(actors), "position")
        s = _matrix(salience, len(actors), "salience")
        names = tuple(dimensions) or (
            ("position",) if x.shape[1] == 1 else tuple(f"d{k + 1}" for k in range(x.shape[1]))
        )
        if x.size and not np.isfinite(x).all():
            raise QuestionError("a position is a number")
        low, high = ends(x, scale, names)
        c = np.asarray(capability, dtype=float)
        return cls(tuple(actors), names, x, s, c, low, high, **more)

    def _mistake(self) -> str:
        """What is wrong with the table, as one sentence; empty if nothing is."""
        n, k = len(self.actors), len(self.dimensions)
        if n < 2:
            return f"{n} actor{'' if n == 1 else 's'}: a table needs at least two"
        if n > MAX_ACTORS:
            return f"{n:,} actors are more than the {MAX_ACTORS} that a table may have"
        if not 1 <= k <= MAX_DIMENSIONS:
            return f"{k} dimensions: a table has 1 to {MAX_DIMENSIONS}"
        if len(set(self.actors)) < n:
            twice = next(a for a in self.actors if self.actors.count(a) > 1)
            return f"the actor '{twice}' is there twice"
        if len(set(self.dimensions)) < k:
            return "two dimensions have the same name"
        shapes = {"position": (n, k), "salience": (n, k), "capability": (n,)}
        for name, shape in shapes.items():
            value = np.asarray(getattr(self, name))
            if value.shape != shape:
                return f"{name} has the shape {value.shape}, not {shape}"
            if not np.isfinite(value).all():
                return f"a {name} is not a number"
        for i, actor in enumerate(self.actors):
            if self.capability[i] <= 0:
                return f"the capability of '{actor}' is not above 0; leave the actor out instead"
            if (self.salience[i] < 0).any() or (self.salience[i] > 1).any():
                return f"the salience of '{actor}' is not a share from 0 to 1"
            if not (self.salience[i] > 0).any():
                return f"'{actor}' has no salience at all; leave the actor out instead"
            for d, dimension in enumerate(self.dimensions):
                x = self.position[i, d]
                if not self.low[d] <= x <= self.high[d]:
                    ends = f"{self.low[d]:g} to {self.high[d]:g}"
                    return f"the position {x:g} of '{actor}' on '{dimension}' is outside {ends}"
        return self._mistaken_accommodation()

    def _mistaken_accommodation(self) -> str:
        a, n = self.accommodation, len(self.actors)
        if a is None:
            return ""
        a = np.asarray(a, dtype=float)
        if a.shape != (n, n) or not np.isfinite(a).all() or (a < 0).any():
            return f"accommodation is a table of {n} by {n} shares from 0 on"
        over = np.flatnonzero(a.sum(1) > 1 + 1e-9)
        if over.size:
            return f"the accommodation of '{self.actors[over[0]]}' adds up to more than 1"
        return ""

    @property
    def influence(self) -> Float[np.ndarray, "actor dimension"]:
        """Capability times salience, on every dimension."""
        return self.capability[:, None] * self.salience

    @property
    def scaled(self) -> Float[np.ndarray, "actor dimension"]:
        """Positions between 0 (low end of the scale) and 1 (high end)."""
        return (self.position - self.low) / (self.high - self.low)

    def unscaled(
        self, share: Float[np.ndarray, "*any dimension"]
    ) -> Float[np.ndarray, "*any dimension"]:
        """Positions between 0 and 1 in the units of the table."""
        return self.low + share * (self.high - self.low)

    def to_dataframe(self) -> Any:
        """One row per actor: capability, then position and salience on every dimension."""
        import pandas as pd

        columns: dict[str, Any] = {"capability": self.capability}
        for k, name in enumerate(self.dimensions):
            of = "" if self.dimensions == ("position",) else f" {name}"
            columns[f"position{of}"] = self.position[:, k]
            columns[f"salience{of}"] = self.salience[:, k]
        return pd.DataFrame(columns, index=pd.Index(self.actors, name="actor"))


def ends(
    position: Float[np.ndarray, "actor dimension"], scale: Any, names: Sequence[str]
) -> tuple[Float[np.ndarray, " dimension"], Float[np.ndarray, " dimension"]]:
    """The ends of every dimension: as given, or from the lowest to the highest position.

    Raises QuestionError for a scale that is none, or if all stand together and none is given.
    """
    k = position.shape[1]
    if scale is None:
        if not position.size:
            raise QuestionError("a table needs at least two actors and one dimension")
        low, high = position.min(0), position.max(0)
        for d in map(int, np.flatnonzero(low == high)):
            raise QuestionError(
                f"everybody stands at {low[d]:g} on '{names[d]}', so its scale must be said: "
                "--scale LOW HIGH, or scale in the file"
            )
        return low, high
    pairs = np.asarray(scale, dtype=float)
    if pairs.shape == (2,):
        pairs = np.tile(pairs, (k, 1))
    if pairs.shape != (k, 2) or not np.isfinite(pairs).all():
        raise QuestionError("a scale is its low and its high end, once for all dimensions or each")
    if np.abs(pairs).max() > LARGEST:
        raise QuestionError(f"a scale ends within ±{LARGEST:g}")
    for low_end, high_end in pairs:
        if not low_end < high_end or not math.isfinite(high_end - low_end):
            raise QuestionError(f"a scale from {low_end:g} to {high_end:g} has no length")
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def _matrix(value: Any, actors: int, what: str) -> Float[np.ndarray, "actor dimension"]:
    try:
        x = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise QuestionError(f"{what} is a number a dimension for every actor") from None
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or x.shape[0] != actors:
        raise QuestionError(f"{what} is given for {x.shape[0] if x.ndim else 0} of {actors} actors")
    return x
