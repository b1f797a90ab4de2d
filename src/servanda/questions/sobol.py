"""Which inputs does the variance of an output come from?

In: names of inputs, then the output at the points of the unit cube that `sobol_sample` gives. Out:
first-order indices S_j = V[E(Y | X_j)] / V(Y), the share of variance that goes when input j is
known, and total-order indices T_j = E[V(Y | X without X_j)] / V(Y), the share that stays when all
others are known, with intervals. A. Saltelli et al., "Variance based sensitivity analysis of model
output", Computer Physics Communications 181 (2010), 259–270, as implemented in SALib.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from servanda.errors import QuestionError

RESAMPLES = 200
"""How many bootstrap resamples the intervals come from."""

FINEST = 2.0**-31
"""Half the spacing of the points' coordinates: none is nearer to 0 or 1, where a quantile may be
infinite."""


@dataclass(frozen=True)
class SobolIndices:
    """Shares of the output's variance per input, each with its interval (low, high).

    The intervals are normal, their width from a bootstrap over the n blocks of points; they tell
    sampling error and may reach below 0 or above 1, as estimates may.
    """

    names: tuple[str, ...]
    first: Float[np.ndarray, " input"]
    first_interval: Float[np.ndarray, "input 2"]
    total: Float[np.ndarray, " input"]
    total_interval: Float[np.ndarray, "input 2"]
    confidence: float
    variance: float  # of the output, in its unit squared
    n: int

    def to_dataframe(self) -> pd.DataFrame:
        """One row an input."""
        return pd.DataFrame(
            {
                "first": self.first,
                "first_low": self.first_interval[:, 0],
                "first_high": self.first_interval[:, 1],
                "total": self.total,
                "total_low": self.total_interval[:, 0],
                "total_high": self.total_interval[:, 1],
            },
            index=pd.Index(self.names, name="input"),
        )


def sobol_sample(names: Sequence[str], n: int, seed: int = 0) -> Float[np.ndarray, "row input"]:
    """Points of the open unit cube at which the output is to be computed, in this order.

    There are n·(inputs + 2) rows. Put each column through the quantile function of its input's
    distribution; inputs are taken to be independent. The points are Saltelli's design over a
    scrambled Sobol' sequence, whose balance needs `n` to be a power of two; the error falls
    somewhat faster than 1/√n. `QuestionError` if n is not a power of two.
    """
    problem = _problem(names)
    _check_size(n, seed)
    from SALib.sample import sobol as salib_sample  # over a second to import

    points = salib_sample.sample(problem, n, calc_second_order=False, seed=seed)
    return np.clip(np.asarray(points, float), FINEST, 1 - FINEST)


def sobol_indices(
    values: Float[np.ndarray, " row"],
    names: Sequence[str],
    n: int,
    seed: int = 0,
    confidence: float = 0.95,
) -> SobolIndices:
    """First- and total-order Sobol' indices from the output at the rows of `sobol_sample`.

    `values` are in the output's own unit; `names` and `n` must be those of the sample. `seed` fixes
    the bootstrap of the intervals, which hold the true index with about the given `confidence`.
    `QuestionError` if the output does not vary, is not finite or has the wrong length.
    """
    problem = _problem(names)
    _check_size(n, seed)
    output = np.asarray(values, float)
    rows = n * (len(names) + 2)
    if output.shape != (rows,):
        raise QuestionError(
            f"the output has shape {output.shape}; {n} points of {len(names)} inputs make "
            f"{rows} rows"
        )
    if not np.all(np.isfinite(output)):
        raise QuestionError("the output is not finite everywhere, so its variance has no shares")
    if np.ptp(output) <= 1e-12 * np.max(np.abs(output)):
        raise QuestionError(
            "the output is the same at every point, so no input matters; ask about another output "
            "or widen the inputs"
        )
    if not 0 < confidence < 1:
        raise QuestionError(f"confidence is {confidence}; it must lie between 0 and 1")
    from SALib.analyze import sobol as salib_analyze  # over a second to import

    found = salib_analyze.analyze(
        problem,
        output,
        calc_second_order=False,
        num_resamples=RESAMPLES,
        conf_level=confidence,
        seed=seed + 1,  # SALib takes 0 for no seed
    )
    first, total = np.asarray(found["S1"]), np.asarray(found["ST"])
    first_half, total_half = np.asarray(found["S1_conf"]), np.asarray(found["ST_conf"])
    return SobolIndices(
        names=tuple(names),
        first=first,
        first_interval=np.stack([first - first_half, first + first_half], axis=1),
        total=total,
        total_interval=np.stack([total - total_half, total + total_half], axis=1),
        confidence=confidence,
        variance=float(np.var(output.reshape(n, len(names) + 2)[:, [0, -1]])),
        n=n,
    )


def _problem(names: Sequence[str]) -> dict[str, object]:
    """What SALib wants to know: every input is uniform on the unit interval."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise QuestionError(f"two inputs are called '{twice[0]}'; give each its own name")
    if not names:
        raise QuestionError("there is no input to share the variance among; name one or more")
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def _check_size(n: int, seed: int) -> None:
    if n < 2 or n & (n - 1):
        near = 2 ** max(int(np.ceil(np.log2(max(n, 2)))), 1)
        raise QuestionError(f"n is {n}; it must be a power of two, such as {near}")
    if seed < 0:
        raise QuestionError(f"the seed is {seed}; it must not be negative")
