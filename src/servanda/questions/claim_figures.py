"""What are the figures of a claim, in every world?

In: tests of claims (their language is in `scenario/claim_language.py`) and worlds. Out: each test,
true or false in every world, and the two sides of each of its comparisons. Everything the tests
need is gathered first, so that every game (the scenario with its hands bound in some way) is solved
once for all worlds and for the deals wanted of it, with the same random numbers throughout.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from servanda.game.bind import bind, bind_aside
from servanda.game.regimes import Bind
from servanda.questions.outcomes import BATCH, NEVER, Outcomes, Wanted, outcomes
from servanda.questions.packages import amounts, modal_amounts, package, schedule_of_package
from servanda.runs import Place, nowhere
from servanda.scenario.claim_language import FUNCTIONS
from servanda.scenario.formulas import Formula, evaluate
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import Worlds, modal

STEP: Final = 0.05
"""A derivative's difference goes this share of an assumption's 8-in-10 range to either side."""

FIXED_STEP: Final = 0.01
"""The same of an assumption that does not vary, as a share of its size."""

TREND: Final = 12
"""The period a trend looks to unless told, or the horizon if that is sooner."""

Array = Float[np.ndarray, " world"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, order=True)
class Context:
    """The game a figure is of: moves always played, levers pulled, parties standing aside.

    `shift` moves one assumption up (+1) or down (-1) by the step of its derivative. Deals whose
    parties' hands are also tied to their duties (`tied`) are solved apart: they take longer.
    """

    moves: tuple[str, ...] = ()
    levers: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    shift: tuple[str, int] = ("", 0)
    tied: bool = False

    def within(self, function: str, name: str) -> Context:
        """The same game changed once more, as `given`, `pulled` or `without` say."""
        if function == "given":
            return replace(self, moves=(*self.moves, name))
        if function == "pulled":
            return replace(self, levers=tuple(sorted({*self.levers, name})))
        return replace(self, aside=tuple(sorted({*self.aside, name})))


@dataclass(frozen=True)
class Need:
    """What the tests want of one game beside the deals."""

    deals: frozenset[str] = frozenset()
    survival: bool = False
    courses: bool = False

    def __or__(self, other: Need) -> Need:
        return Need(
            self.deals | other.deals,
            self.survival or other.survival,
            self.courses or other.courses,
        )


@dataclass(frozen=True)
class Rows:
    """Worlds to solve: the assumptions, what levers do in each, and weights that shares go by.

    The first row is the central case, which has no weight unless it is alone.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "world assumption"]
    amount: dict[str, list[np.ndarray]]
    weight: Array
    step: Float[np.ndarray, " assumption"]

    def __len__(self) -> int:
        return len(self.values)

    def first(self) -> Rows:
        """The central case only."""
        amount = {name: [a[:1] for a in each] for name, each in self.amount.items()}
        return replace(self, values=self.values[:1], amount=amount, weight=self.weight[:1])


def rows_of(scenario: Scenario, sample: Worlds) -> Rows:
    """The central case and the worlds of a sample."""
    values = np.concatenate([modal(scenario).values, sample.values])
    there = amounts(scenario, len(sample), sample.seed)
    amount = {
        name: [np.concatenate(pair) for pair in zip(one, there[name], strict=True)]
        for name, one in modal_amounts(scenario).items()
    }
    return Rows(
        tuple(scenario.assumptions),
        values,
        amount,
        np.concatenate([[0.0], np.asarray(sample.weight)]),
        _steps(values),
    )


def _steps(values: Float[np.ndarray, "world assumption"]) -> Float[np.ndarray, " assumption"]:
    if values.shape[1] == 0:
        return np.zeros(0)
    low, high = np.quantile(values, (0.1, 0.9), axis=0)
    fixed = np.where(values[0] != 0, FIXED_STEP * np.abs(values[0]), FIXED_STEP)
    return np.where(np.ptp(values, axis=0) > 0, STEP * np.maximum(high - low, 1e-12), fixed)


# -- reading a test -----------------------------------------------------------------------------


@dataclass
class Reader:
    """Reads figures: notes what they need until `solved` is there, then gives their values.

    `shares` keeps the shares of worlds that were found, for a reading of the central case alone.
    """

    scenario: Scenario
    rows: Rows
    solved: dict[Context, Outcomes] | None = None
    needs: dict[Context, Need] = field(default_factory=dict)
    shares: dict[tuple[Context, str], float] = field(default_factory=dict)

    def figure(self, node: ast.Call, context: Context) -> Array:
        """The value of a function that reads the game, in every world."""
        name = _function(node)
        words = [_word(x) for x in node.args]
        context = replace(context, tied=name == "sham")
        self._note(context, _need(self.scenario, name, words))
        if self.solved is None:
            return np.ones(len(self.rows))
        return _read(self.scenario, self.solved[context], name, words)

    def _note(self, context: Context, need: Need) -> None:
        self.needs[context] = self.needs.get(context, Need()) | need

    def assumption(self, name: str, context: Context) -> Array:
        """An assumption in every world, with the shift of the game it is read in."""
        return shifted(self.scenario, self.rows, context.shift)[:, self.rows.names.index(name)]

    def value(self, tree: ast.expr, context: Context) -> Array:
        """A figure, or a test as 1 or 0, in every world."""
        env: dict[str, Any] = {}

        def leaf(node: ast.expr) -> ast.expr:
            key = f"leaf{len(env)}"
            env[key] = self._leaf(node, context)
            return ast.Name(key, ast.Load())

        formula = Formula("", _with_leaves(tree, leaf), frozenset())
        return np.broadcast_to(np.asarray(evaluate(formula, env, np), float), (len(self.rows),))

    def _leaf(self, node: ast.expr, context: Context) -> Array:
        if isinstance(node, ast.Name):
            return self.assumption(node.id, context)
        assert isinstance(node, ast.Call)
        name = _function(node)
        if name == "gradient":
            return self._derivative(node.args[0], _word(node.args[1]), context)
        if name in ("given", "pulled", "without"):
            return self.value(node.args[0], context.within(name, _word(node.args[1])))
        if name == "share":
            return self._share(node.args[0], context)
        return self.figure(node, context)

    def _derivative(self, figure: ast.expr, name: str, context: Context) -> Array:
        up, down = (replace(context, shift=(name, side)) for side in (1, -1))
        rise = self.value(figure, up) - self.value(figure, down)
        run = self.assumption(name, up) - self.assumption(name, down)
        return np.divide(rise, run, out=np.full(len(rise), np.nan), where=run != 0)

    def _share(self, test: ast.expr, context: Context) -> Array:
        key = (context, ast.dump(test))
        if key not in self.shares or self.rows.weight.sum() > 0:
            holds = self.holds(test, context)[0]
            total = self.rows.weight.sum()
            if total > 0:
                self.shares[key] = float(holds @ self.rows.weight / total)
        return np.full(len(self.rows), self.shares.get(key, np.nan))

    def holds(
        self, test: ast.expr, context: Context = Context()
    ) -> tuple[Bool[np.ndarray, " world"], Bool[np.ndarray, " world"]]:
        """Whether a test holds in every world, and whether a side of it has no value there.

        Where a side has no value the test does not hold.
        """
        lacks = np.zeros(len(self.rows), bool)
        for node in comparisons(test):
            for side in (node.left, *node.comparators):
                lacks |= np.isnan(self.value(side, context))
        return (self.value(test, context) > 0.5) & ~lacks, lacks


def comparisons(test: ast.expr) -> Iterator[ast.Compare]:
    """The comparisons a test is joined of, not those inside their sides."""
    match test:
        case ast.Compare():
            yield test
        case ast.BoolOp(values=values):
            for value in values:
                yield from comparisons(value)
        case ast.UnaryOp(operand=operand):
            yield from comparisons(operand)


def truths(test: ast.expr, known: Sequence[bool | None]) -> set[bool]:
    """What a test can be when some comparisons (None) may turn out either way."""
    order = [id(node) for node in comparisons(test)]
    either = [(k,) if k is not None else (True, False) for k in known]

    def truth(node: ast.expr, given: tuple[bool, ...]) -> bool:
        match node:
            case ast.Compare():
                return given[order.index(id(node))]
            case ast.BoolOp(op=op, values=values):
                parts = [truth(v, given) for v in values]
                return all(parts) if isinstance(op, ast.And) else any(parts)
            case ast.UnaryOp(operand=operand):
                return not truth(operand, given)
        raise TypeError(f"{ast.dump(node)} is no test")

    return {truth(test, given) for given in itertools.product(*either)}


def _with_leaves(tree: ast.expr, leaf: Callable[[ast.expr], ast.expr]) -> ast.expr:
    """The tree with every name and every function of the language replaced."""

    def new(node: Any) -> Any:
        if isinstance(node, ast.Name):
            return leaf(node)
        if isinstance(node, ast.Call):
            if _function(node) in FUNCTIONS:
                return leaf(node)
            return ast.Call(node.func, [new(x) for x in node.args], [])
        if isinstance(node, list):
            return [new(x) for x in node]
        if isinstance(node, ast.expr):
            return type(node)(**{name: new(x) for name, x in ast.iter_fields(node)})
        return node

    found: ast.expr = new(tree)
    return found


def _function(node: ast.Call) -> str:
    assert isinstance(node.func, ast.Name)
    return node.func.id


def _word(node: ast.expr) -> str:
    """A name, or a period as text."""
    if isinstance(node, ast.Name):
        return node.id
    assert isinstance(node, ast.Constant)
    return f"{float(str(node.value)):.0f}"


# -- figures ------------------------------------------------------------------------------------


def _need(scenario: Scenario, function: str, words: list[str]) -> Need:
    deals = frozenset(words[:1]) - {NEVER}
    course = function in ("stock", "probability", "trend") or (
        function == "value" and (words[0] == NEVER or words[2:] not in ([], ["0"]))
    )
    kept = function in ("survival", "broken", "breaks", "expired")
    return Need(deals, survival=kept, courses=course)


def _read(scenario: Scenario, o: Outcomes, function: str, words: list[str]) -> Array:
    deal, *rest = words
    found: Any
    if function == "worth":
        found = o.worth.sel(deal=deal, party=rest[0])
    elif function == "signs":
        found = o.signing.sel(deal=deal, party=rest[0]) if rest else o.joint.sel(deal=deal)
    elif function == "survival":
        found = o.survival.sel(deal=deal, period=int(rest[0]))
    elif function == "expired":
        found = o.expired.sel(deal=deal, period=int(rest[0]))
    elif function == "broken":
        gone = o.broken.sel(deal=deal, period=int(rest[0]))
        found = gone.sel(obligation=rest[1]) if rest[1:] else gone.sum("obligation", skipna=False)
    elif function == "breaks":
        own = [x.name for x in scenario.obligations.values() if x.party == rest[0]]
        gone = o.broken.sel(deal=deal, period=int(rest[1]), obligation=own)
        found = gone.sum("obligation", skipna=False)
    elif function == "sham":
        tied = o.tied.sel(deal=deal, party=rest[0]).values  # NaN: no duty, so nothing to break
        free = o.worth.sel(deal=deal, party=rest[0]).values
        found = np.where(np.isnan(free), np.nan, (tied < 0) & (free > 0))
    elif function == "stock":
        found = o.stock.sel(deal=deal, stock=rest[0], period=int(rest[1]))
    elif function == "probability":
        found = o.moves.sel(deal=deal, move=rest[0], period=int(rest[1]))
    elif function == "value" and rest[1:] in ([], ["0"]) and deal != NEVER:
        found = o.worth.sel(deal=deal, party=rest[0]) + o.no_deal.sel(deal=deal, party=rest[0])
    elif function == "value":
        found = o.value.sel(deal=deal, party=rest[0], period=int(rest[1] if rest[1:] else 0))
    else:
        start, end = (int(x) for x in rest[1:] or (0, min(TREND, scenario.horizon)))
        path = o.value.sel(deal=deal, party=rest[0], period=slice(start, end)).values
        found = slope(path)
    return np.asarray(found, float)


def slope(path: Float[np.ndarray, "world period"]) -> Array:
    """The least-squares slope per period."""
    t = np.arange(path.shape[1]) - (path.shape[1] - 1) / 2
    return np.asarray(path @ t / (t @ t), float)


# -- solving ------------------------------------------------------------------------------------


def shifted(
    scenario: Scenario, rows: Rows, shift: tuple[str, int]
) -> Float[np.ndarray, "world assumption"]:
    """The assumptions with one moved a step, but not out of its distribution.

    A certain number that is a probability stays within 0 and 1, a patience below 1.
    """
    name, side = shift
    if not side:
        return rows.values
    k = rows.names.index(name)
    low, high = _ends(scenario, name)
    x = rows.values[:, k]
    moved = np.clip(x + side * rows.step[k], np.minimum(low, x), np.maximum(high, x))
    out = rows.values.copy()
    out[:, k] = moved
    return out


def _ends(scenario: Scenario, name: str) -> tuple[float, float]:
    """The least and the largest an assumption may be for a derivative."""
    assumption = scenario.assumptions[name]
    all_of = [assumption.distribution]
    if assumption.group is not None:
        members = scenario.hypotheses[assumption.group].values()
        all_of += [h.sets[name] for h in members if name in h.sets]
    low, high = min(d.low for d in all_of), max(d.high for d in all_of)
    if low < high:
        return low, high
    if name.endswith((".verified", ".false_alarm")):
        return 0.0, 1.0
    if ".remembered" in name:
        return 1.0, np.inf
    reads = [p for p in scenario.parties.values() if name in p.patience.names]
    if reads:
        return _patient(scenario, name, low)
    return -np.inf, np.inf


def _patient(scenario: Scenario, name: str, x: float) -> tuple[float, float]:
    """How far a certain number may move while every patience stays where it may be."""
    here = dict(zip(scenario.assumptions, modal(scenario).values[0], strict=True))

    def sound(to: float) -> bool:
        env = here | {name: to}
        each = [float(evaluate(p.patience, env, np)) for p in scenario.parties.values()]
        before = [float(evaluate(p.patience, here, np)) for p in scenario.parties.values()]
        return all(0 <= d < 1 or d == b for d, b in zip(each, before, strict=True))

    reach = FIXED_STEP * (abs(x) or 1.0)
    ends = []
    for side in (-1, 1):
        far = reach
        for _ in range(40):
            if sound(x + side * far):
                break
            far /= 2
        ends.append(x + side * far if sound(x + side * far) else x)
    return ends[0], ends[1]


def values_in(scenario: Scenario, rows: Rows, context: Context) -> np.ndarray:
    """The assumptions a game is solved with: [world, (period + 1,) assumption]."""
    values = shifted(scenario, rows, context.shift)
    if not context.levers:
        return values
    return schedule_of_package(scenario, values, package(scenario, context.levers), rows.amount)


def binds_of(scenario: Scenario, context: Context) -> tuple[Bind, ...]:
    """The hands that are bound in a game."""
    found: dict[str, Bind] = {}
    for party in context.aside:
        found |= {b.decision: b for b in bind_aside(scenario, party)}
    options = {f"{d.key}.{o}": (d, o) for d in scenario.decisions for o in d.options}
    for move in context.moves:  # of one decision the last, which is the innermost, counts
        d, option = options[move]
        found[d.key] = bind(scenario, d.party, d.name, (option,), "any")
    return tuple(found.values())


@dataclass(frozen=True)
class Games:
    """What is to be solved: contexts that differ only in their assumptions share a program."""

    scenario: Scenario
    needs: dict[Context, Need]

    @cached_property
    def together(self) -> list[list[Context]]:
        """The contexts by program: same hands bound, same deals, same wants."""
        found: dict[Any, list[Context]] = {}
        for context, need in self.needs.items():
            key = (context.moves, context.aside, bool(context.levers), context.tied, need)
            found.setdefault(key, []).append(context)
        return list(found.values())

    def solves(self, rows: Rows) -> int:
        """Worlds to be solved in all."""
        return len(rows) * sum(map(_batches, self.needs.values()))

    @cached_property
    def tables(self) -> list[str]:
        """A name for what each program gives, in the order of `together`."""
        return [f"{k + 1:02d}-{_in_words(each[0])}" for k, each in enumerate(self.together)]

    def solve(
        self,
        rows: Rows,
        levels: tuple[int, ...],
        seed: int,
        pool: Executor | None = None,
        progress: Progress | None = None,
        place: Place = nowhere,
    ) -> dict[Context, Outcomes]:
        """Every context's outcomes in every row; `place` says where each program's are kept.

        The grid's bounds are those of the assumptions before a shift, so that a derivative is not
        that of the grid.
        """
        found: dict[Context, Outcomes] = {}
        scenario, done, total = self.scenario, 0, self.solves(rows)
        for table, contexts in zip(self.tables, self.together, strict=True):
            need = self.needs[contexts[0]]
            proposals = [p for name, p in scenario.proposals.items() if name in need.deals]
            still = [values_in(scenario, rows, replace(c, shift=("", 0))) for c in contexts]

            def step(n: int, _: int, done: int = done) -> None:
                if progress:
                    progress(done + n, total)

            both = outcomes(
                scenario,
                proposals,
                np.concatenate([values_in(scenario, rows, c) for c in contexts]),
                names=rows.names,
                wanted=Wanted(need.survival, contexts[0].tied, need.courses or not proposals),
                levels=levels,
                seed=seed,
                binds=binds_of(scenario, contexts[0]),
                still=np.concatenate(still),
                folder=place(table),
                progress=step,
                pool=pool,
            )
            done += len(contexts) * len(rows) * _batches(need)
            for k, context in enumerate(contexts):
                found[context] = _some_worlds(both, k * len(rows), len(rows))
        return found


def _batches(need: Need) -> int:
    return max(1, -(-len(need.deals) // BATCH))


def _in_words(context: Context) -> str:
    """The game of a context, as the name of a folder."""
    said = [f"given-{m}" for m in context.moves]
    said += [f"pulled-{n}" for n in context.levers]
    said += [f"without-{p}" for p in context.aside]
    said += ["hands-tied"] if context.tied else []
    return "-".join(said)[:60].rstrip(".-") or "as-it-is"


def _some_worlds(o: Outcomes, start: int, count: int) -> Outcomes:
    parts = {n: a.isel(world=slice(start, start + count)) for n, a in vars(o).items()}
    return Outcomes(**parts)
