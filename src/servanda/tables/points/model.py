"""What is on the table, and what is each deal worth to each party?

A *deal* settles every issue: one option of each. A party's utility is

    u(x) = base + Σ_k w_k(x_k) + Σ_(k,l) w_kl(x_k, x_l) + Σ_b c_b 1[x in box b],

additive in the issues, plus pairwise interactions, plus hyper-rectangles (boxes of deals that are
worth something together). What a party gets without a deal is its reservation value; it may be
worse or better than every deal and is never clamped. Deals are rows of option numbers, [deal,
issue], and are counted with the last issue running fastest.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from servanda.errors import QuestionError, unknown

MAX_OPTIONS = 100_000  # of one issue
MAX_ISSUES = 1_000
MAX_PARTIES = 60
LARGEST = 1e30  # utility: its powers and products with others are still numbers
STEPS = 101  # options that a continuous issue is cut into, unless the file says otherwise

Kind = Literal["categorical", "integer", "continuous"]


@dataclass(frozen=True, eq=False)
class Issue:
    """What is to be settled. `levels` are the numbers that the options stand for, if numbers."""

    name: str
    options: tuple[str, ...]
    kind: Kind = "categorical"
    levels: np.ndarray | None = None  # Float[option]

    @staticmethod
    def integer(name: str, low: int, high: int, step: int = 1) -> Issue:
        """The whole numbers from `low` to `high`.

        Raises:
            QuestionError: the range falls, or holds more than `MAX_OPTIONS` numbers.
        """
        if high < low or step < 1:
            raise QuestionError(f"issue '{name}': the range {low} to {high} is empty")
        count = (high - low) // step + 1
        if count > MAX_OPTIONS:
            raise QuestionError(
                f"issue '{name}': {count:,} whole numbers; at most {MAX_OPTIONS:,} are taken"
            )
        whole = range(low, high + 1, step)
        return Issue(name, tuple(map(str, whole)), "integer", np.array(whole, float))

    @staticmethod
    def continuous(name: str, low: float, high: float, steps: int = STEPS) -> Issue:
        """The numbers from `low` to `high`, cut into `steps` evenly spaced options.

        Raises:
            QuestionError: the range is empty or not finite, or there are too many or few steps.
        """
        if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
            raise QuestionError(f"issue '{name}': the range {low:g} to {high:g} is empty")
        if not 2 <= steps <= MAX_OPTIONS:
            raise QuestionError(f"issue '{name}': {steps:,} steps; from 2 to {MAX_OPTIONS:,}")
        levels = np.linspace(low, high, steps)
        return Issue(name, tuple(f"{x:.10g}" for x in levels), "continuous", levels)

    def option(self, text: str) -> int:
        """The number of an option by its name, or by the number it stands for."""
        if text in self.options:
            return self.options.index(text)
        if self.levels is not None:
            try:
                wanted = float(text)
            except ValueError:
                wanted = math.nan
            near = int(np.argmin(np.abs(self.levels - wanted))) if wanted == wanted else 0
            if abs(self.levels[near] - wanted) <= 1e-9 * max(1.0, abs(wanted)):
                return near
        raise unknown(f"option of {self.name}", text, self.options)


Where = tuple[tuple[int, np.ndarray], ...]
"""Conditions on issues: (issue number, which options satisfy it [option])."""


@dataclass(frozen=True, eq=False)
class Pair:
    """What two issues are worth together, beyond what each is worth by itself."""

    first: int
    second: int
    worth: np.ndarray  # Float[option of first, option of second]


@dataclass(frozen=True, eq=False)
class Box:
    """What all deals that meet every condition are worth in addition (a hyper-rectangle)."""

    where: Where
    worth: float


@dataclass(frozen=True, eq=False)
class Budget:
    """A bound on a sum over issues: low <= Σ_k cost_k(x_k) <= high."""

    costs: tuple[tuple[int, np.ndarray], ...]  # (issue number, Float[option])
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Party:
    """What deals are worth to one party, in its own units.

    `worth` has an array per issue, Float[option]: the issue's weight times the option's value.
    `reservation` is minus infinity if none is stated; `discount` is the factor per period.
    """

    name: str
    worth: tuple[np.ndarray, ...]
    base: float = 0.0
    pairs: tuple[Pair, ...] = ()
    boxes: tuple[Box, ...] = ()
    reservation: float = -math.inf
    discount: float = 1.0

    @property
    def largest(self) -> float:
        """What no utility exceeds in size."""
        parts = [self.base, *(box.worth for box in self.boxes)]
        arrays = [*self.worth, *(pair.worth for pair in self.pairs)]
        with np.errstate(over="ignore"):
            return float(sum(map(abs, parts)) + sum(np.abs(x).max(initial=0) for x in arrays))

    @staticmethod
    def additive(
        name: str,
        values: Sequence[Sequence[float]],
        weights: Sequence[float] | None = None,
        **more: Any,
    ) -> Party:
        """A party whose utility is the weighted sum of option values, issue by issue."""
        w = [1.0] * len(values) if weights is None else list(weights)
        worth = tuple(np.asarray(v, float) * x for v, x in zip(values, w, strict=True))
        return Party(name, worth, **more)


@dataclass(frozen=True, eq=False)
class Table:
    """Issues, parties, and which deals cannot be made. Raises QuestionError if they do not fit."""

    issues: tuple[Issue, ...]
    parties: tuple[Party, ...]
    forbidden: tuple[Where, ...] = ()
    budgets: tuple[Budget, ...] = ()
    vetoes: tuple[str, ...] = ()
    title: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        _check(self)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many options each issue has, [issue]."""
        return tuple(len(issue.options) for issue in self.issues)

    @property
    def deals(self) -> int:
        """How many deals there are, those that cannot be made included."""
        return math.prod(self.sizes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(party.name for party in self.parties)

    @property
    def reservation(self) -> Float[np.ndarray, "party"]:
        return np.array([party.reservation for party in self.parties])

    @property
    def additive(self) -> bool:
        """Whether every utility is a sum over issues and every deal can be made."""
        joined = any(party.pairs or party.boxes for party in self.parties)
        return not (joined or self.forbidden or self.budgets)

    @property
    def hash(self) -> str:
        """Twelve digits that change when anything in the table does."""
        digest = hashlib.sha256()
        for issue in self.issues:
            digest.update(repr((issue.name, issue.options)).encode())
        for party in self.parties:
            digest.update(repr((party.name, party.base, party.reservation)).encode())
            digest.update(repr(party.discount).encode())
            for worth in party.worth:
                digest.update(np.ascontiguousarray(worth, float).tobytes())
            for pair in party.pairs:
                digest.update(repr((pair.first, pair.second)).encode() + pair.worth.tobytes())
            for box in party.boxes:
                digest.update(repr(box.worth).encode() + _where_bytes(box.where))
        for where in self.forbidden:
            digest.update(b"never" + _where_bytes(where))
        for budget in self.budgets:
            digest.update(repr((budget.low, budget.high)).encode())
            for k, cost in budget.costs:
                digest.update(repr(k).encode() + np.ascontiguousarray(cost, float).tobytes())
        return digest.hexdigest()[:12]

    def utilities(self, deals: Int[np.ndarray, "deal issue"]) -> Float[np.ndarray, "deal party"]:
        """What deals are worth to each party, each in its own units."""
        deals = np.atleast_2d(np.asarray(deals))
        out = np.empty((len(deals), len(self.parties)))
        for i, party in enumerate(self.parties):
            parts = [np.full(len(deals), party.base)]
            parts += [w[deals[:, k]] for k, w in enumerate(party.worth)]
            parts += [p.worth[deals[:, p.first], deals[:, p.second]] for p in party.pairs]
            parts += [np.where(_inside(box.where, deals), box.worth, 0.0) for box in party.boxes]
            terms = np.stack(parts)
            if len(deals) <= 10_000:  # no rounding but the last: 0.1 + 0.2 + 0.3 is 0.6
                out[:, i] = [math.fsum(column) for column in terms.T]
            else:
                out[:, i] = terms.sum(axis=0)
        return out

    def feasible(self, deals: Int[np.ndarray, "deal issue"]) -> Bool[np.ndarray, "deal"]:
        """Which deals can be made."""
        deals = np.atleast_2d(np.asarray(deals))
        able = np.ones(len(deals), bool)
        for where in self.forbidden:
            able &= ~_inside(where, deals)
        for budget in self.budgets:
            total = sum(cost[deals[:, k]] for k, cost in budget.costs)
            slack = 1e-9 * max(1.0, *(abs(x) for x in (budget.low, budget.high) if abs(x) < 1e300))
            able &= (total >= budget.low - slack) & (total <= budget.high + slack)
        return able

    def deal(self, chosen: Mapping[str, Any] | Sequence[Any]) -> Int[np.ndarray, "issue"]:
        """A deal from options by issue name, or from a list in the order of the issues.

        Raises:
            QuestionError: an issue is missing, or an issue or option is not on the table.
        """
        if not isinstance(chosen, Mapping):
            if len(chosen) != len(self.issues):
                raise QuestionError(
                    f"a deal settles {len(self.issues)} issues, not {len(chosen)}: "
                    + ", ".join(issue.name for issue in self.issues)[:200]
                )
            chosen = {i.name: option for i, option in zip(self.issues, chosen, strict=True)}
        names = [issue.name for issue in self.issues]
        for name in chosen:
            if name not in names:
                raise unknown("issue", str(name), names)
        missing = [name for name in names if name not in chosen]
        if missing:
            raise QuestionError(f"the deal leaves open: {', '.join(missing)[:200]}")
        return np.array([issue.option(str(chosen[issue.name])) for issue in self.issues])

    def say(self, deal: Sequence[int] | np.ndarray) -> dict[str, str]:
        """The options of a deal, by issue."""
        return {i.name: i.options[int(o)] for i, o in zip(self.issues, deal, strict=True)}

    def party(self, name: str) -> int:
        """The number of a party."""
        if name not in self.names:
            raise unknown("party", name, self.names)
        return self.names.index(name)

    def at(self, time: float, *, reservation: bool = False) -> Table:
        """The table after `time` periods: utilities times discount^time.

        Reservation values stay as they are, or shrink alike if `reservation` (as in Genius).
        """
        if time < 0 or not math.isfinite(time):
            raise QuestionError(f"time {time:g}: periods from 0 on")
        if time == 0:
            return self
        parties = []
        for party in self.parties:
            d = party.discount**time
            keep = party.reservation * (d if reservation else 1.0)
            parties.append(
                replace(
                    party,
                    worth=tuple(w * d for w in party.worth),
                    base=party.base * d,
                    pairs=tuple(replace(p, worth=p.worth * d) for p in party.pairs),
                    boxes=tuple(replace(b, worth=b.worth * d) for b in party.boxes),
                    reservation=keep if math.isfinite(party.reservation) else party.reservation,
                )
            )
        return replace(self, parties=tuple(parties))

    def grid_error(self) -> Float[np.ndarray, "party"]:
        """How far utility can move within half a step of the continuous issues, per party.

        The largest change between neighbouring options, halved, added over continuous issues:
        what cutting them into options can hide, if values are monotone between options.
        """
        out = np.zeros(len(self.parties))
        for i, party in enumerate(self.parties):
            for k, issue in enumerate(self.issues):
                if issue.kind != "continuous":
                    continue
                out[i] += np.abs(np.diff(party.worth[k])).max() / 2
                for pair in party.pairs:
                    if k in (pair.first, pair.second):
                        along = np.diff(pair.worth, axis=0 if k == pair.first else 1)
                        out[i] += np.abs(along).max() / 2
        return out


def unravel(index: Int[np.ndarray, "deal"], sizes: Sequence[int]) -> Int[np.ndarray, "deal issue"]:
    """Deals from their numbers, the last issue running fastest."""
    return np.stack(np.unravel_index(np.asarray(index), tuple(sizes)), axis=-1)


def _inside(where: Where, deals: np.ndarray) -> np.ndarray:
    inside = np.ones(len(deals), bool)
    for k, allowed in where:
        inside &= allowed[deals[:, k]]
    return inside


def _where_bytes(where: Where) -> bytes:
    return b"".join(repr(k).encode() + np.packbits(allowed).tobytes() for k, allowed in where)


def _check(table: Table) -> None:
    if not table.issues:
        raise QuestionError("a table needs at least one issue")
    if not table.parties:
        raise QuestionError("a table needs at least one party")
    if len(table.issues) > MAX_ISSUES:
        raise QuestionError(f"{len(table.issues):,} issues; at most {MAX_ISSUES:,} are taken")
    if len(table.parties) > MAX_PARTIES:
        raise QuestionError(f"{len(table.parties)} parties; at most {MAX_PARTIES} are taken")
    for what, names in (
        ("issue", [issue.name for issue in table.issues]),
        ("party", list(table.names)),
    ):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise QuestionError(f"the {what} '{twice}' is there twice")
    for issue in table.issues:
        if not issue.options:
            raise QuestionError(f"issue '{issue.name}' has no options")
        if len(issue.options) > MAX_OPTIONS:
            raise QuestionError(
                f"issue '{issue.name}' has {len(issue.options):,} options; "
                f"at most {MAX_OPTIONS:,} are taken"
            )
        if len(set(issue.options)) < len(issue.options):
            raise QuestionError(f"issue '{issue.name}' has an option twice")
    for party in table.parties:
        _check_party(table, party)
    for where in table.forbidden:
        _check_where(table, where, "a constraint")
    for name in table.vetoes:
        table.party(name)


def _check_size(party: Party) -> None:
    """Powers and products of utilities must stay numbers."""
    if not party.largest <= LARGEST:
        raise QuestionError(
            f"{party.name}: utilities add up to more than {LARGEST:g}; count in a larger unit"
        )
    if math.isfinite(party.reservation) and abs(party.reservation) > LARGEST:
        raise QuestionError(
            f"{party.name}: the reservation value is beyond {LARGEST:g}; if no deal will do, "
            "write .inf"
        )


def _check_party(table: Table, party: Party) -> None:
    if len(party.worth) != len(table.issues):
        raise QuestionError(
            f"{party.name} values {len(party.worth)} issues; there are {len(table.issues)}"
        )
    for issue, worth in zip(table.issues, party.worth, strict=True):
        if len(worth) != len(issue.options):
            raise QuestionError(
                f"{party.name} has {len(worth)} values for issue '{issue.name}', which has "
                f"{len(issue.options)} options"
            )
        if not np.isfinite(worth).all():
            raise QuestionError(f"{party.name}: a value of issue '{issue.name}' is not finite")
    if math.isnan(party.reservation):
        raise QuestionError(f"{party.name}: the reservation value is not a number")
    if not 0 < party.discount <= 1:
        raise QuestionError(f"{party.name}: discount {party.discount:g} is not above 0 and up to 1")
    if not math.isfinite(party.base):
        raise QuestionError(f"{party.name}: the base utility is not finite")
    for pair in party.pairs:
        shape = (table.sizes[pair.first], table.sizes[pair.second])
        if pair.first == pair.second or pair.worth.shape != shape:
            raise QuestionError(f"{party.name}: an interaction does not fit its two issues")
        if not np.isfinite(pair.worth).all():
            raise QuestionError(f"{party.name}: an interaction is not finite")
    for box in party.boxes:
        _check_where(table, box.where, party.name)
        if not math.isfinite(box.worth):
            raise QuestionError(f"{party.name}: the worth of a box is not finite")
    _check_size(party)


def _check_where(table: Table, where: Where, whose: str) -> None:
    if len({k for k, _ in where}) < len(where):
        raise QuestionError(f"{whose}: two conditions on one issue")
    for k, allowed in where:
        if not 0 <= k < len(table.issues) or len(allowed) != table.sizes[k]:
            raise QuestionError(f"{whose}: a condition does not fit its issue")
