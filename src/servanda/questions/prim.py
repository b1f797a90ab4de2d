"""In which region of the inputs do the cases of interest lie?

In: inputs of many cases and which cases are of interest. Out: boxes, "this input below that value,
that one among these categories", with coverage (share of the cases of interest that are inside),
density (share of the cases inside that are of interest) and mass (share of all cases inside), and
the trajectory they were found on. The Patient Rule Induction Method: J. H. Friedman and
N. I. Fisher, "Bump hunting in high-dimensional data", Statistics and Computing 9 (1999), 123–143;
for scenario discovery, with quasi-p-values: B. P. Bryant and R. J. Lempert, "Thinking inside the
box", Technological Forecasting and Social Change 77 (2010), 34–49.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.special import betainc

from servanda.errors import QuestionError, unknown

Objective = Literal["lenient1", "lenient2", "original"]
"""What a peel or a paste is to maximise. With n cases of mean ȳ in the box before, n′ and ȳ′ after:

`lenient1`: (ȳ′ − ȳ) / |n − n′|, gain per case; `lenient2`: n′ (ȳ′ − ȳ) / |n − n′| (Friedman and
Fisher 1999, section 14.6); `original`: ȳ′ (Friedman and Fisher's first).
"""

SIGNIFICANT = 0.05
"""A restriction whose quasi-p-value is larger is dropped from a chosen box."""

ROUNDING = 1e-12
"""Densities this near are the same: sums of weights that are not whole differ by rounding."""


@dataclass(frozen=True)
class Restriction:
    """What a box says of one input: `low` ≤ value ≤ `high`, or a value among `labels`.

    An open side is infinite; `labels` is empty unless the input is categorical. A quasi-p-value is
    NaN where there is no such restriction.
    """

    name: str
    low: float = -np.inf  # in the input's unit
    high: float = np.inf
    labels: tuple[str, ...] = ()
    quasi_p_low: float = float("nan")
    quasi_p_high: float = float("nan")
    quasi_p_labels: float = float("nan")

    @property
    def quasi_p(self) -> float:
        """The largest of its quasi-p-values: how dispensable its weakest part is."""
        each = np.array([self.quasi_p_low, self.quasi_p_high, self.quasi_p_labels])
        return float(np.nanmax(each))

    def __str__(self) -> str:
        if self.labels:
            return f"{self.name} in {{{', '.join(self.labels)}}}"
        low = f"{self.low:.4g} ≤ " if np.isfinite(self.low) else ""
        high = f" ≤ {self.high:.4g}" if np.isfinite(self.high) else ""
        return f"{low}{self.name}{high}"


@dataclass(frozen=True)
class Box:
    """A box in the space of inputs and how well it holds the cases of interest.

    `cases` and `of_interest` are the weights inside; under covering they, and the density, count
    only the cases that earlier boxes left, while coverage and mass are shares of all cases.
    """

    restrictions: tuple[Restriction, ...]  # in the order of the inputs
    coverage: float
    density: float
    mass: float
    cases: float
    of_interest: float

    @property
    def dimensions(self) -> int:
        """How many inputs are restricted."""
        return len(self.restrictions)

    def __str__(self) -> str:
        return " and ".join(str(r) for r in self.restrictions) or "everything"


@dataclass(frozen=True)
class Discovery:
    """One box and the way to it.

    `trajectory` begins with all the cases that were left, then one peel a step, and at the end
    `pastes` steps of pasting. `box` is step `step` of it without the restrictions `dropped`.
    `meets_threshold` says whether `box` is as dense as was asked.
    """

    box: Box
    trajectory: tuple[Box, ...]
    step: int
    dropped: tuple[str, ...]
    pastes: int
    meets_threshold: bool

    def to_dataframe(self) -> pd.DataFrame:
        """The trajectory, one row a step."""
        columns = ["coverage", "density", "mass", "dimensions", "cases", "of_interest"]
        rows = [[getattr(box, c) for c in columns] + [str(box)] for box in self.trajectory]
        index = pd.RangeIndex(len(rows), name="step")
        return pd.DataFrame(rows, columns=[*columns, "box"], index=index)


def prim(
    x: Float[np.ndarray, "case input"],
    y: Bool[np.ndarray, " case"],
    names: Sequence[str],
    *,
    categories: Mapping[str, Sequence[str]] | None = None,
    weights: Float[np.ndarray, " case"] | None = None,
    peel_alpha: float = 0.05,
    paste_alpha: float = 0.05,
    mass_min: float = 0.05,
    threshold: float = 0.0,
    objective: Objective = "lenient1",
    boxes: int = 1,
) -> tuple[Discovery, ...]:
    """The boxes that hold the cases of interest, one unless more are asked for.

    `x` are the inputs, in their own units, and `y` says which cases are of interest. Inputs named
    in `categories` hold whole-number codes into their labels there. `weights` say how many cases
    each row stands for when they are whole numbers; otherwise they are scaled to sum to the
    effective number of cases (Σw)²/Σw² (Kish 1965). Rows without weight are left out.

    Peeling takes off, step by step, the share `peel_alpha` of the box at one side of one input, or
    one category, whichever has the largest `objective`; it ends when nothing improves, or when the
    best would leave less mass than `mass_min`. Where cases of interest lie at both ends of every
    input no single peel improves, and the box is everything. Pasting then puts `paste_alpha` of the
    cases beyond one side back, or one category, as long as the density grows. A limit lies halfway
    between two neighbouring values; equal values go together, so with ties a step may be larger.
    Among equally good steps the one with fewer restricted inputs is taken, then the earliest input,
    numbers before categories, in peeling the upper side first.

    The chosen box is the step of the trajectory with the largest harmonic mean of coverage and
    density, the earlier of equals, among those of density `threshold` or more; where there are
    none it is the densest step. Restrictions (a side of an input, or a set of categories) with a
    quasi-p-value above 0.05 are then dropped, the largest first, everything counted anew after
    each. Where most cases are of interest "everything" may win by that rule: ask for a threshold.
    Dropping may take the box below it again; `meets_threshold` says so.

    The quasi-p-value of a restriction is the chance that as many of the box's cases as there are,
    or more, would be of interest if the density were that of the box without the restriction (one-
    sided binomial, Bryant and Lempert 2010, section 3; by the incomplete beta function, as weights
    need not be whole). It is no test of significance: the restriction was chosen to be good.

    With `boxes` above one, the cases in a chosen box are taken away and the rest is asked again
    (covering), until the rest is all or none of interest, or its chosen box restricts nothing or
    falls short of the threshold.

    The steps are those of ema-workbench's `Prim` (2.5) with its default objective LENIENT1, or
    LENIENT2 or ORIGINAL, for float and category columns; its integer columns are here numbers like
    any others. Three differences: it skips pasting when only categories are restricted; it returns
    a box of everything if the last step is below the threshold; and equally good categories it
    takes in an order that may change from run to run, here in the order of codes. It leaves the
    choice on the trajectory to the user.

    Raises `QuestionError` if all or no cases are of interest, or an argument makes no sense.
    """
    labels = _checked(x, y, names, categories or {}, weights)
    _check_settings(peel_alpha, paste_alpha, mass_min, threshold, objective, boxes)
    weight = _case_weights(weights, len(y))
    there = weight > 0
    data = _Data(
        x=np.asarray(x, float)[there],
        y=np.asarray(y, bool)[there],
        weight=weight[there],
        names=tuple(names),
        labels=labels,
        total=float(np.sum(weight)),
        total_of_interest=float(np.sum(weight[np.asarray(y, bool)])),
    )
    if not data.y.any():
        raise QuestionError("no case is of interest, so no box can hold any; ask for what happens")
    if data.y.all():
        raise QuestionError("every case is of interest, so no box is needed; ask for what is rarer")

    whole = _whole(data)
    found: list[Discovery] = []
    while len(found) < boxes and data.y.any() and not data.y.all():
        region = whole
        regions = [region]
        while (peeled := _peel(data, whole, region, peel_alpha, mass_min, objective)) is not None:
            region = peeled
            regions.append(region)
        peels = len(regions)
        while (pasted := _paste(data, whole, region, paste_alpha, mass_min, objective)) is not None:
            region = pasted
            regions.append(region)

        trajectory = tuple(_box(data, whole, r) for r in regions)
        step = _best(trajectory, threshold)
        chosen, dropped = _without_the_dispensable(data, whole, regions[step])
        box = _box(data, whole, chosen)
        meets = box.density >= threshold
        if found and not (box.restrictions and meets):
            break
        found.append(Discovery(box, trajectory, step, dropped, len(regions) - peels, meets))
        data = _left(data, ~_members(data, chosen))
    return tuple(found)


def inside(
    box: Box,
    x: Float[np.ndarray, "case input"],
    names: Sequence[str],
    categories: Mapping[str, Sequence[str]] | None = None,
) -> Bool[np.ndarray, " case"]:
    """Which cases lie in the box; inputs as in `prim`. `QuestionError` if an input is missing."""
    within = np.ones(len(x), bool)
    for restriction in box.restrictions:
        if restriction.name not in names:
            raise unknown("input", restriction.name, names)
        column = np.asarray(x)[:, list(names).index(restriction.name)]
        if restriction.labels:
            known = list((categories or {})[restriction.name])
            within &= np.isin(column, [known.index(label) for label in restriction.labels])
        else:
            within &= (column >= restriction.low) & (column <= restriction.high)
    return within


@dataclass(frozen=True)
class _Data:
    """The cases that are left, and the totals over all cases that shares are taken of."""

    x: Float[np.ndarray, "case input"]
    y: Bool[np.ndarray, " case"]
    weight: Float[np.ndarray, " case"]
    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]  # per input; empty where it is a number
    total: float
    total_of_interest: float

    @property
    def numbers(self) -> list[int]:
        return [j for j, labels in enumerate(self.labels) if not labels]

    @property
    def categoricals(self) -> list[int]:
        return [j for j, labels in enumerate(self.labels) if labels]


@dataclass(frozen=True)
class _Region:
    """A box as arrays: limits of every input (infinite for categories) and the codes allowed."""

    low: Float[np.ndarray, " input"]
    high: Float[np.ndarray, " input"]
    allowed: tuple[frozenset[int], ...]  # per input; empty where it is a number


Side = Literal["low", "high", "labels"]


def _with(region: _Region, j: int, side: Side, value: float | frozenset[int]) -> _Region:
    """The region with one side of input j, or its categories, put to another value."""
    if isinstance(value, frozenset):
        allowed = (*region.allowed[:j], value, *region.allowed[j + 1 :])
        return replace(region, allowed=allowed)
    limits = np.array(region.low if side == "low" else region.high)
    limits[j] = value
    return replace(region, low=limits) if side == "low" else replace(region, high=limits)


def _at(region: _Region, j: int, side: Side) -> float | frozenset[int]:
    if side == "labels":
        return region.allowed[j]
    return float(region.low[j] if side == "low" else region.high[j])


def _whole(data: _Data) -> _Region:
    """The smallest region around all cases; a category no case has is not in it."""
    numbers = [not labels for labels in data.labels]
    return _Region(
        low=np.where(numbers, data.x.min(axis=0), -np.inf),
        high=np.where(numbers, data.x.max(axis=0), np.inf),
        allowed=tuple(
            frozenset(int(code) for code in np.unique(column)) if labels else frozenset()
            for column, labels in zip(data.x.T, data.labels)
        ),
    )


def _members(data: _Data, region: _Region) -> Bool[np.ndarray, " case"]:
    within = np.all((data.x >= region.low) & (data.x <= region.high), axis=1)
    for j in data.categoricals:
        within &= np.isin(data.x[:, j], list(region.allowed[j]))
    return within


def _sides(whole: _Region, region: _Region) -> list[tuple[int, Side]]:
    """Everything a region restricts: sides of numbers and sets of categories, input by input."""
    sides: list[tuple[int, Side]] = []
    for j in range(len(region.low)):
        if region.low[j] != whole.low[j]:
            sides.append((j, "low"))
        if region.high[j] != whole.high[j]:
            sides.append((j, "high"))
        if region.allowed[j] != whole.allowed[j]:
            sides.append((j, "labels"))
    return sides


def _counts(data: _Data, members: Bool[np.ndarray, " case"]) -> tuple[float, float]:
    """Weight of the members, and of those of interest."""
    return float(np.sum(data.weight[members])), float(np.sum(data.weight[members & data.y]))


def _quantiles(
    values: Float[np.ndarray, " case"], weight: Float[np.ndarray, " case"], share: float
) -> tuple[float, float]:
    """Limits that cut off about a share of cases from below and from above.

    Halfway between the values at the two places next to share·(n − 1) in the sorted cases, where
    these are equal between that value and the next one inward; for whole weights n counts
    repetitions.
    """
    distinct, where = np.unique(values, return_inverse=True)
    upto = np.cumsum(np.bincount(where, weight))

    def value_at(place: float) -> int:
        return min(int(np.searchsorted(upto, place, side="right")), len(distinct) - 1)

    def around(q: float) -> tuple[int, int]:
        place = max(upto[-1] - 1, 0) * q
        return value_at(np.floor(place)), value_at(np.ceil(place))

    below, above = around(share)
    if below == above:
        above = min(above + 1, len(distinct) - 1)
    low = (distinct[below] + distinct[above]) / 2
    below, above = around(1 - share)
    if below == above:
        below = max(below - 1, 0)
    return float(low), float((distinct[below] + distinct[above]) / 2)


def _score(objective: Objective, before: tuple[float, float], after: tuple[float, float]) -> float:
    """How good a step from one box to another is; before and after are (cases, of interest)."""
    cases, of_interest = before
    cases_after, of_interest_after = after
    if objective == "original":
        return of_interest_after / cases_after if cases_after > 0 else -1.0
    gain = (of_interest_after / cases_after if cases_after > 0 else 0.0) - of_interest / cases
    if abs(gain) <= ROUNDING or cases_after == cases:
        return 0.0
    change = abs(cases - cases_after)
    return gain / change if objective == "lenient1" else cases_after * gain / change


def _step(
    data: _Data,
    whole: _Region,
    before: tuple[float, float],
    candidates: Sequence[_Region],
    objective: Objective,
) -> tuple[_Region, float, tuple[float, float]] | None:
    """The best candidate, its score and its counts; among equals, fewest inputs, then the first."""
    best: tuple[_Region, float, tuple[float, float]] | None = None
    best_key = (-np.inf, 0)
    for candidate in candidates:
        counts = _counts(data, _members(data, candidate))
        score = _score(objective, before, counts)
        key = (score, -len({j for j, _ in _sides(whole, candidate)}))
        if best is None or key > best_key:
            best, best_key = (candidate, score, counts), key
    return best


def _peel(
    data: _Data,
    whole: _Region,
    region: _Region,
    peel_alpha: float,
    mass_min: float,
    objective: Objective,
) -> _Region | None:
    """The region after the best peel; None if none improves or is large enough."""
    members = _members(data, region)
    candidates: list[_Region] = []
    for j in data.numbers:
        low, high = _quantiles(data.x[members, j], data.weight[members], peel_alpha)
        candidates += [_with(region, j, "high", high), _with(region, j, "low", low)]
    for j in data.categoricals:
        allowed = region.allowed[j]
        if len(allowed) > 1:
            candidates += [_with(region, j, "labels", allowed - {c}) for c in sorted(allowed)]
    before = _counts(data, members)
    best = _step(data, whole, before, candidates, objective)
    if best is None:
        return None
    peeled, score, (cases, _) = best
    return peeled if cases / data.total >= mass_min and cases < before[0] and score > 0 else None


def _paste(
    data: _Data,
    whole: _Region,
    region: _Region,
    paste_alpha: float,
    mass_min: float,
    objective: Objective,
) -> _Region | None:
    """The region after the best paste; None if none makes it denser."""
    candidates: list[_Region] = []
    restricted = _sides(whole, region)
    for j, side in restricted:
        if side == "labels":
            continue
        beyond = _with(region, j, side, float(getattr(whole, side)[j]))
        beyond = _with(beyond, j, "high" if side == "low" else "low", _at(region, j, side))
        there = _members(data, beyond)
        limit = _at(whole, j, side)
        if there.any():
            low, high = _quantiles(data.x[there, j], data.weight[there], paste_alpha)
            limit = high if side == "low" else low
        candidates.append(_with(region, j, side, limit))
    for j, side in restricted:
        if side == "labels":
            missing = sorted(whole.allowed[j] - region.allowed[j])
            candidates += [_with(region, j, side, region.allowed[j] | {c}) for c in missing]
    before = _counts(data, _members(data, region))
    best = _step(data, whole, before, candidates, objective)
    if best is None:
        return None
    pasted, score, (cases, of_interest) = best
    grows = cases > before[0] and cases / data.total >= mass_min
    denser = cases > 0 and of_interest / cases - before[1] / before[0] > ROUNDING
    return pasted if grows and denser and score > 0 else None


def _quasi_p(data: _Data, whole: _Region, region: _Region, j: int, side: Side) -> float:
    """Bryant and Lempert's quasi-p-value: P(X ≥ k), X ~ Binomial(n, density without it)."""
    cases, of_interest = _counts(data, _members(data, region))
    freed = _with(region, j, side, _at(whole, j, side))
    cases_freed, of_interest_freed = _counts(data, _members(data, freed))
    if of_interest <= 0:
        return 1.0
    density = min(of_interest_freed / cases_freed, 1.0)
    return float(betainc(of_interest, max(cases - of_interest, 0.0) + 1, density))


def _box(data: _Data, whole: _Region, region: _Region) -> Box:
    """The region as it is reported, with quasi-p-values."""
    restrictions: dict[int, Restriction] = {}
    for j, side in _sides(whole, region):
        said = restrictions.get(j, Restriction(data.names[j]))
        p = _quasi_p(data, whole, region, j, side)
        if side == "low":
            said = replace(said, low=float(region.low[j]), quasi_p_low=p)
        elif side == "high":
            said = replace(said, high=float(region.high[j]), quasi_p_high=p)
        else:
            kept = tuple(data.labels[j][code] for code in sorted(region.allowed[j]))
            said = replace(said, labels=kept, quasi_p_labels=p)
        restrictions[j] = said
    cases, of_interest = _counts(data, _members(data, region))
    return Box(
        restrictions=tuple(restrictions.values()),
        coverage=of_interest / data.total_of_interest,
        density=of_interest / cases,
        mass=cases / data.total,
        cases=cases,
        of_interest=of_interest,
    )


def _best(trajectory: Sequence[Box], threshold: float) -> int:
    """The step with the largest harmonic mean of coverage and density, if dense enough."""
    enough = [i for i, box in enumerate(trajectory) if box.density >= threshold]
    if not enough:
        return max(range(len(trajectory)), key=lambda i: trajectory[i].density)

    def harmonic_mean(i: int) -> float:
        coverage, density = trajectory[i].coverage, trajectory[i].density
        return 2 * coverage * density / (coverage + density) if coverage > 0 else 0.0

    return max(enough, key=harmonic_mean)


def _without_the_dispensable(
    data: _Data, whole: _Region, region: _Region
) -> tuple[_Region, tuple[str, ...]]:
    """The region after dropping insignificant restrictions, and what was dropped, in words."""
    dropped: list[str] = []
    while sides := _sides(whole, region):
        ps = [_quasi_p(data, whole, region, j, side) for j, side in sides]
        worst = int(np.argmax(ps))
        if ps[worst] <= SIGNIFICANT:
            break
        j, side = sides[worst]
        dropped.append(f"{data.names[j]}, {'categories' if side == 'labels' else side}")
        region = _with(region, j, side, _at(whole, j, side))
    return region, tuple(dropped)


def _left(data: _Data, keep: Bool[np.ndarray, " case"]) -> _Data:
    return replace(data, x=data.x[keep], y=data.y[keep], weight=data.weight[keep])


def _case_weights(
    weights: Float[np.ndarray, " case"] | None, cases: int
) -> Float[np.ndarray, " case"]:
    """How many cases each row stands for; Kish's effective number in all if weights are broken."""
    if weights is None:
        return np.ones(cases)
    weight = np.asarray(weights, float)
    if np.all(weight == np.round(weight)):
        return weight
    relative = weight / np.max(weight)  # so that equal weights count one each, exactly
    return relative * (np.sum(relative) / np.sum(relative**2))


def _checked(
    x: np.ndarray,
    y: np.ndarray,
    names: Sequence[str],
    categories: Mapping[str, Sequence[str]],
    weights: np.ndarray | None,
) -> tuple[tuple[str, ...], ...]:
    """The labels of every input, none where it is a number; `QuestionError` on misfits."""
    if np.ndim(x) != 2 or np.shape(x)[1] != len(names):
        raise QuestionError(
            f"x has shape {np.shape(x)}; it must have one row a case and {len(names)} columns, "
            "one for each name"
        )
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise QuestionError(f"two inputs are called '{twice[0]}'; give each its own name")
    if np.shape(y) != (len(x),):
        raise QuestionError(f"y has shape {np.shape(y)}; it must say of each of {len(x)} cases")
    if not np.all(np.isin(y, (0, 1))):
        raise QuestionError("y must be true or false for every case; compare it with a threshold")
    if weights is not None:
        if np.shape(weights) != (len(x),):
            raise QuestionError(
                f"there are {len(x)} cases but weights of shape {np.shape(weights)}"
            )
        if not np.all(np.isfinite(weights)) or np.min(weights, initial=0) < 0:
            raise QuestionError("weights must be finite and not negative")
    for name in categories:
        if name not in names:
            raise unknown("input", name, names)
    for name, column in zip(names, np.asarray(x, float).T):
        if not np.all(np.isfinite(column)):
            raise QuestionError(f"input '{name}' has values that are not finite; leave those out")
        if name in categories and not np.all(np.isin(column, range(len(categories[name])))):
            raise QuestionError(
                f"input '{name}' has codes other than 0 to {len(categories[name]) - 1}, "
                "the places of its labels"
            )
    return tuple(tuple(categories.get(name, ())) for name in names)


def _check_settings(
    peel_alpha: float,
    paste_alpha: float,
    mass_min: float,
    threshold: float,
    objective: str,
    boxes: int,
) -> None:
    for name, share in (("peel_alpha", peel_alpha), ("paste_alpha", paste_alpha)):
        if not 0 < share < 0.5:
            raise QuestionError(f"{name} is {share}; it must lie between 0 and 0.5")
    for name, share in (("mass_min", mass_min), ("threshold", threshold)):
        if not 0 <= share <= 1:
            raise QuestionError(f"{name} is {share}; it must lie between 0 and 1")
    if objective not in get_args(Objective):
        raise unknown("objective", objective, get_args(Objective))
    if boxes < 1:
        raise QuestionError(f"{boxes} boxes were asked for; ask for one or more")
