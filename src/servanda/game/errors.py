"""How far may a figure over worlds be off, worlds and grids together?

In: a figure in every world, each on a grid of its own, and in a part of the worlds again on
another grid and on a finer one. Out: an `Estimate`: the mean over worlds, its standard error, and
what the coarse grid leans by. As every world has its own randomly shifted grid and its own random
numbers, the scatter over worlds contains that of the grid. What all coarse grids share is seen in
the paired differences to the finer one, and taken off where it is significant (multilevel Monte
Carlo: M. B. Giles, "Multilevel Monte Carlo path simulation", Operations Research 56, 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

from servanda.scenario.weighted import weighted_quantiles
from servanda.scenario.worlds import Worlds

SIGNIFICANT = 2.0
"""A lean is taken off from so many of its standard errors on."""

EIGHT_IN_TEN = 1.2816
"""Standard errors to either side within which a figure lies with 80 %, if normal."""

FEW = 4
"""With fewer pairs the largest difference, times `SAFETY`, stands in for a standard error."""

SAFETY = 3.0
"""The custom where two grids are all there is (P. J. Roache, "Perspective: a method for uniform
reporting of grid refinement studies", 1994)."""

RESAMPLES = 200
"""Of worlds, for the error of quantiles."""


@dataclass(frozen=True)
class Estimate:
    """A figure over worlds.

    `value` is `plain` (the weighted mean, or a quantile) less the lean of the grid where that is
    significant (`lean`; else 0). `error` is a standard error of `value`: worlds and grids.
    """

    value: float
    error: float
    plain: float
    lean: float = 0.0

    @property
    def low(self) -> float:
        """With `high`: where the figure lies with 80 %."""
        return self.value - EIGHT_IN_TEN * self.error

    @property
    def high(self) -> float:
        return self.value + EIGHT_IN_TEN * self.error


def nowhere() -> Int[np.ndarray, " part"]:
    """No worlds."""
    return np.zeros(0, int)


def nothing() -> Float[np.ndarray, " part"]:
    """No figures."""
    return np.zeros(0)


@dataclass(frozen=True)
class Sampled:
    """A figure in worlds: once in each, and again in some, on another grid and on a finer one.

    `finer` is what the finer grid says in the worlds `finer_at`, `again` what another like the
    usual one says in those `again_at`. NaN: there is no such figure in that world. `stratum`
    [world] tells worlds apart whose shares are known exactly. `dimensions` is the number of stocks:
    how fast errors fall.
    """

    here: Float[np.ndarray, " world"]
    weight: Float[np.ndarray, " world"]
    again_at: Int[np.ndarray, " part"] = field(default_factory=nowhere)
    again: Float[np.ndarray, " part"] = field(default_factory=nothing)
    finer_at: Int[np.ndarray, " part"] = field(default_factory=nowhere)
    finer: Float[np.ndarray, " part"] = field(default_factory=nothing)
    stratum: Int[np.ndarray, " world"] | None = None
    dimensions: int = 0

    def of(self, change: Callable[[np.ndarray], np.ndarray]) -> Sampled:
        """The same of a function of the figure."""
        return replace(
            self, here=change(self.here), again=change(self.again), finer=change(self.finer)
        )

    def mean(self) -> Estimate:
        """The mean over worlds."""
        known = np.isfinite(self.here) & (self.weight > 0)
        if not known.any():
            return Estimate(np.nan, np.nan, np.nan)
        plain = float(np.average(self.here[known], weights=self.weight[known]))
        over = self._scatter(known)
        lean, doubt, more = self._lean()
        return Estimate(plain - lean, float(np.sqrt(over**2 + doubt**2 + more**2)), plain, lean)

    def share(self, above: float = 0.0) -> Estimate:
        """The share of worlds in which the figure is larger."""
        return self.of(lambda x: np.where(np.isfinite(x), (x > above) * 1.0, np.nan)).frequency()

    def frequency(self) -> Estimate:
        """The share of worlds in which a figure of 0 or 1 is 1.

        Where all worlds agree the next might not: the error is at least that of a share with one
        more world on either side (Laplace's rule of succession).
        """
        found = self.mean()
        known = np.isfinite(self.here) & (self.weight > 0)
        w = self.weight[known]
        if len(w) < 2 or not w.any():
            return found
        count = float(w.sum() ** 2 / np.square(w).sum())  # worlds of equal weight (Kish 1965)
        share = (found.plain * count + 1) / (count + 2)
        least = float(np.sqrt(share * (1 - share) / count)) if np.ptp(self.here[known]) == 0 else 0
        value = min(max(found.value, 0.0), 1.0)
        return replace(found, value=value, error=max(found.error, least))

    def quantile(self, point: float) -> Estimate:
        """A quantile over worlds; bands are a little wide, for they contain the grid's scatter."""
        known = np.isfinite(self.here) & (self.weight > 0)
        if not known.any():
            return Estimate(np.nan, np.nan, np.nan)
        x, w = self.here[known], self.weight[known]
        plain = float(weighted_quantiles(x, w, (point,))[0])
        rng = np.random.default_rng(len(x))
        picks = rng.integers(len(x), size=(RESAMPLES, len(x)))
        each = [float(weighted_quantiles(x[k], w[k], (point,))[0]) for k in picks]
        lean, doubt, _ = self._lean()
        return Estimate(plain, float(np.hypot(np.std(each), max(abs(lean), doubt))), plain)

    def _scatter(self, known: np.ndarray) -> float:
        """The standard error of the mean over worlds, within strata whose weights are known."""
        x, w = self.here[known], self.weight[known] / self.weight[known].sum()
        if len(x) < 2:
            return 0.0
        stratum = np.zeros(len(x), int) if self.stratum is None else self.stratum[known]
        _, which = np.unique(stratum, return_inverse=True)
        groups = which.max() + 1
        if len(x) < 2 * groups:
            which, groups = np.zeros(len(x), int), 1
        total = np.bincount(which, w)
        middle = np.bincount(which, w * x) / total
        free = len(x) / (len(x) - groups)
        return float(np.sqrt(free * np.sum(np.square(w * (x - middle[which])))))

    def _lean(self) -> tuple[float, float, float]:
        """How much too high coarse grids come out, in doubt by how much, and what is left of it.

        The lean is 0 where it is not significant; then it is in doubt as a whole. What a finer grid
        leaves is guessed from how errors of the second order fall with its points.
        """
        at, x = self._paired()
        if not len(x):
            return 0.0, 0.0, 0.0
        w = self.weight[at] / self.weight[at].sum()
        mean = float(w @ x)
        if len(x) < FEW:
            return 0.0, SAFETY * float(np.abs(x).max()), 0.0
        free = len(x) / (len(x) - 1)
        doubt = float(np.sqrt(free * np.sum(np.square(w * (x - mean)))))
        if abs(mean) <= SIGNIFICANT * doubt or mean == 0:
            return 0.0, max(abs(mean), doubt), 0.0
        per = 4.0 ** (2.0 / max(self.dimensions, 1)) - 1.0
        left = np.sqrt(max(mean**2 - doubt**2, 0.0)) * min(1.0, 1.0 / per)
        return mean, doubt, float(left)

    def _paired(self) -> tuple[np.ndarray, np.ndarray]:
        """Worlds with a finer grid, and by how much the usual one is above it there."""
        if not len(self.finer_at):
            return nowhere(), nothing()
        coarse = self.here[self.finer_at]
        x = coarse - self.finer
        known = np.isfinite(x)
        return self.finer_at[known], x[known]


def strata(sample: Worlds) -> Int[np.ndarray, " world"]:
    """[world] which combination of readings holds: how much weight each has is known."""
    if not sample.hypotheses:
        return np.zeros(len(sample), int)
    held = np.stack([np.asarray(h) for h in sample.hypotheses.values()], axis=1)
    return np.unique(held, axis=0, return_inverse=True)[1].reshape(-1)


HOLDS, FAILS, HANGS = "holds", "fails", "hangs"


def two_futures(kept: Sampled, even: float = 0.5) -> dict[str, float]:
    """The shares of worlds in which a deal holds, fails, or hangs on what parties expect.

    `kept` is the probability of being kept, solved twice in some worlds. Where the two solutions
    of a world differ by more than `even`, the world has more than one future. Empty if nothing was
    solved twice.
    """
    if not len(kept.again_at):
        return {}
    a, b = kept.here[kept.again_at], kept.again
    w = kept.weight[kept.again_at] / kept.weight[kept.again_at].sum()
    hangs = np.abs(a - b) > even
    holds = ~hangs & (0.5 * (a + b) >= 0.5)
    found = {HOLDS: holds, FAILS: ~hangs & ~holds, HANGS: hangs}
    return {name: float(w[where].sum()) for name, where in found.items()}
