"""One traced function over many worlds: chunks that fit, both cores, a bar when it takes long.

In: a game, a method, worlds, and the regimes whose course is wanted. Out: NumPy arrays with a
leading world axis. Everything a question needs of a world (values at the start, courses) is read
off inside the one traced function, so that no world's grid values outlive it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.errors import QuestionError
from servanda.game import reach
from servanda.game.backward import backward
from servanda.game.build import Game, build
from servanda.game.choice import feasible
from servanda.game.distribution import exact_course
from servanda.game.finite import not_finite
from servanda.game.grid import CENTRAL, Lot, make_grid, shifted
from servanda.game.grid_tables import grid_tables
from servanda.game.interpolate import SCHEMES
from servanda.game.kept import register, traced
from servanda.game.paths import Course, simulate_paths
from servanda.game.period import Method, accept_probability, sign
from servanda.game.reasons import Reasons
from servanda.game.regimes import Variant
from servanda.game.runtime import compiler_options
from servanda.game.states import value_at_start
from servanda.game.stationary import Tail
from servanda.game.tables import Parameters, parameters
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import Worlds, modal

register(Course, Reasons, Tail)

CORES = os.cpu_count() or 1

Progress = Callable[[int, int], None]
"""Called with (worlds done, worlds in all) from time to time."""


@dataclass(frozen=True)
class Follow:
    """A course that is wanted: where it starts, whether it follows the deal, what it gathers.

    With several regimes to start from, the course has a leading axis of them, and they may differ
    in whether the deal is followed. Without `alarms` (one, or one a start) the course is that of
    the same play if nobody is ever wrongly accused.
    """

    regime: int | tuple[int, ...]
    stay: bool | tuple[bool, ...] = True
    alarms: bool | tuple[bool, ...] = True
    exits: bool = False
    watch: tuple[int, ...] = ()
    values: bool = True  # of what is still to come, along the course (`watch` needs it)
    reasons: bool = False  # what holds parties to their word (`Reasons`)


@dataclass(frozen=True)
class Program:
    """What to compute in every world."""

    game: Game
    method: Method
    stakes: tuple[float, ...]
    names: tuple[str, ...]  # of the assumptions, in the order of `Worlds.values`
    follow: tuple[Follow, ...] = ()
    paths: int = 64
    seed: int = 0
    once: bool = False  # runs in one world only: compiled quickly

    def uniforms(self, lot: Lot = CENTRAL) -> Float[np.ndarray, "period draw n"]:
        """Random numbers, stratified over paths in every period (Latin hypercube).

        Common to all that is followed in a world; worlds of other lots have others.
        """
        rng = np.random.default_rng([self.seed, 20250311, *([lot] if lot >= 0 else [])])
        shape = (self.game.scenario.horizon, 4, self.paths)
        order = rng.permuted(np.broadcast_to(np.arange(self.paths), shape), axis=-1)
        return (order + rng.random(shape)) / self.paths

    def depends(self) -> tuple[Any, ...]:
        """What a trace of `world` depends on, beside the shapes of its arguments."""
        game = self.game
        solved = [group.live.tobytes() for group in game.groups]
        return (
            game.scenario, game.variants, game.roots, solved, self.method, self.stakes, self.names,
            self.follow, game.place.tobytes(),
        )  # fmt: skip

    def kernels(self) -> tuple[tuple[int, ...], int]:
        """The grid and scheme of the compiled kernels it may call."""
        return self.method.grid.levels, SCHEMES.index(self.method.scheme)

    def world(
        self,
        theta: Array,
        boxes: Array,
        uniforms: Array,
    ) -> dict[str, Any]:
        """Everything wanted of one world; traced by JAX.

        `theta` is [assumption], or [period + 1, assumption] if assumptions change over time.
        """
        game, method = self.game, self.method
        p = parameters(game, theta, self.names, jnp.asarray(self.stakes))
        solved = backward(game, method, p, boxes, keep=bool(self.follow))
        start = value_at_start(game, method, p, solved.values[0], boxes)
        own = np.arange(game.regimes)  # values at the start are kept by regime
        value, accepted = sign(game, p.at(0), start, own)
        out: dict[str, Any] = {
            "play": start,
            "value": value,
            "accept": accepted,
            "alone": _alone(game, p.at(0), start),
            "tail": solved.tail,
            "failures": solved.failures,
        }
        for k, f in enumerate(self.follow):
            out[f"course{k}"] = self._course(f, p, solved.values, boxes, uniforms)
        return out

    def _course(
        self, f: Follow, p: Parameters, values: Array, boxes: Array, uniforms: Array
    ) -> Course:
        game, method = self.game, self.method
        starts = (f.regime,) if isinstance(f.regime, int) else f.regime
        stays = (f.stay,) * len(starts) if isinstance(f.stay, bool) else f.stay
        alarms = (f.alarms,) * len(starts) if isinstance(f.alarms, bool) else f.alarms

        def exact(kind: tuple[bool, bool]) -> Course:
            stay, heard = kind
            found: Course = jax.lax.map(
                lambda m: exact_course(game, method, p, values, m, stay, f.watch, heard, f.reasons),
                jnp.array(
                    [m for m, *x in zip(starts, stays, alarms, strict=True) if kind == (*x,)]
                ),
            )
            return found

        if game.stocks:
            course = simulate_paths(
                game,
                method,
                p,
                values,
                starts,
                stays,
                boxes,
                uniforms[: game.scenario.horizon],
                f.exits,
                f.watch,
                f.values,
                alarms,
                f.reasons,
            )
        else:
            kinds = list(zip(stays, alarms, strict=True))
            found = {kind: exact(kind) for kind in dict.fromkeys(kinds)}
            course = jax.tree.map(
                lambda *x: jnp.stack(
                    [
                        x[list(found).index(kind)][kinds[:k].count(kind)]
                        for k, kind in enumerate(kinds)
                    ]
                ),
                *found.values(),
            )
        return jax.tree.map(lambda x: x[0], course) if isinstance(f.regime, int) else course


def _alone(game: Game, p: Parameters, w: Array) -> Float[Array, "stage signatory"]:
    """Each signatory's acceptance given that all others sign."""
    stage = game.asking
    if not len(stage.regime):
        return jnp.ones((0, 0))
    yes = w[stage.yes]
    columns = [
        accept_probability(p, jnp.asarray(stage.party[:, j]), yes, w[stage.no[:, j]])
        for j in range(stage.no.shape[1])
    ]
    return jnp.stack(columns, axis=1)


class _Shelf:
    """Compiled functions, each made by the first thread that asks while others wait for it."""

    def __init__(self, most: int = 64) -> None:
        self.most, self.lock = most, threading.Lock()
        self.made: dict[tuple[Any, ...], Future[Any]] = {}

    def get(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        with self.lock:
            found = self.made.get(key)
            if found is None:
                if len(self.made) > self.most:
                    self.made.clear()
                mine = self.made[key] = Future()
        if found is not None:
            return found.result()
        try:
            mine.set_result(make())
        except BaseException as error:
            mine.set_exception(error)
            with self.lock:
                self.made.pop(key, None)
        return mine.result()


_COMPILED, _REACHING = _Shelf(), _Shelf()


def compiled(program: Program, arguments: tuple[np.ndarray, ...]) -> Any:
    """A program's `world`, compiled for arguments like these."""

    def make() -> tuple[Program, Any]:
        options = compiler_options(program.once)
        function = traced(program.world, program.depends(), arguments, options, program.kernels())
        return program, function.lower(*arguments).compile()

    # what is in the key by its place must live on
    return _COMPILED.get((id(program), *(x.shape for x in arguments)), make)[1]


def _reaching(program: Program, theta: np.ndarray) -> Any:
    """The compiled function from one world's assumptions to the grid's bounds.

    They enclose what is reachable under any offer of the scenario, and under those of the program
    that are not among them.
    """
    scenario = program.game.scenario
    named = list(scenario.proposals.values())
    offered = [v.proposal for v in program.game.variants if v.proposal is not None]
    extra = () if all(p in named for p in offered) else (program.game,)
    own = (scenario.proposals,)

    def make() -> tuple[Any, Any]:
        games = (build(scenario, [Variant(p) for p in named] or [Variant(None)]), *extra)
        unit = jnp.ones(len(scenario.parties))

        def one(theta: Array) -> Array:
            return reach.boxes(games, parameters(games[0], theta, program.names, unit))

        depends = ("reach", scenario, [game.variants for game in games], program.names)
        function = traced(one, depends, (theta,), compiler_options(once=True), None)
        return (games, own), function.lower(theta).compile()

    key = (program.names, theta.shape, *map(id, own), *map(id, extra))
    return _REACHING.get(key, make)[1]


def bounds(
    program: Program, values: Worlds | np.ndarray, lots: Sequence[Lot] | np.ndarray | None = None
) -> Float[np.ndarray, "world epoch 3 stock"]:
    """The grid's bounds (`reach.boxes`) and bend in every world, as its lot says."""
    thetas = _thetas(values)
    lots = [CENTRAL] * len(thetas) if lots is None else lots
    return np.stack([_bounds(program, *item) for item in zip(thetas, lots, strict=True)])


def _bounds(
    program: Program, theta: np.ndarray, lot: Lot = CENTRAL
) -> Float[np.ndarray, "epoch 3 stock"]:
    if not program.game.stocks:
        return np.zeros((2, 3, 0))
    found: np.ndarray = jax.device_get(_reaching(program, theta)(theta))
    return shifted(program.game.scenario, program.method.grid.levels, found, int(lot), program.seed)


def _thetas(values: Worlds | np.ndarray) -> Float[np.ndarray, "world *period assumption"]:
    return np.asarray(values.values if isinstance(values, Worlds) else values, float)


class _Here(Executor):
    """Work done where it is asked for, by the thread that asks."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


def here() -> Executor:
    """A pool of the calling thread alone."""
    return _Here()


def cores(most: int | None = None) -> ThreadPoolExecutor:
    """A pool with one thread a core (`most` at most).

    All share one JAX device, which runs as many computations at a time as there are cores: XLA
    compiles, and keeps machine code, once a device.
    """
    return ThreadPoolExecutor(CORES if most is None else min(most, CORES))


def run(
    program: Program,
    values: Worlds | np.ndarray,
    progress: Progress | None = None,
    pool: Executor | None = None,
    boxes: np.ndarray | None = None,
    lots: Sequence[Lot] | np.ndarray | None = None,
) -> dict[str, Any]:
    """Run a program in every world; arrays come back with a leading world axis.

    `values` are worlds, or the assumptions in each, [world, assumption] or [world, period + 1,
    assumption]. `lots` say which grid and which random numbers each has, the central ones if there
    are none. `boxes` are the grid's bounds [world, epoch, 3, stock] if not the program's own.
    Worlds are spread over the machine's cores, or over `pool`.
    """
    thetas = _thetas(values)
    drawn = bool(program.follow)
    if lots is None:
        lots = [CENTRAL] * len(thetas)

    def random(lot: Lot) -> np.ndarray:
        return program.uniforms(int(lot)) if drawn else np.zeros((0, 4, 0))

    first = _bounds(program, thetas[0]) if boxes is None else boxes[0]
    function = compiled(program, (thetas[0], first, random(CENTRAL)))

    def one(item: tuple[np.ndarray, np.ndarray | None, Lot]) -> Any:
        theta, box, lot = item
        box = _bounds(program, theta, lot) if box is None else box
        return jax.device_get(function(theta, box, random(lot)))

    given = [None] * len(thetas) if boxes is None else boxes
    items = list(zip(thetas, given, lots, strict=True))
    parts = [one(items[0])]  # compiles once before threads share it
    if progress:
        progress(1, len(items))
    if len(items) > 1:
        own = cores() if pool is None else None
        try:
            for k, part in enumerate((pool or own).map(one, items[1:])):  # type: ignore[union-attr]
                parts.append(part)
                if progress:
                    progress(k + 2, len(items))
        finally:
            if own is not None:
                own.shutdown(cancel_futures=True)
    for part, (theta, box, _) in zip(parts, items, strict=True):
        if not np.isfinite(part["value"]).all():
            _refuse(program, theta, box)
    return jax.tree.map(lambda *x: np.stack(x), *parts)


def _refuse(program: Program, theta: np.ndarray, box: np.ndarray | None) -> None:
    """Raise QuestionError: in this world values are not finite."""
    box = _bounds(program, theta) if box is None else box
    grid = program.method.grid
    points = jnp.concatenate([grid.within(b).points() for b in (box[0], box[-1])], axis=1)
    raise QuestionError(not_finite(program.game, program.names, theta, points))


def stakes(scenario: Scenario) -> tuple[float, ...]:
    """The spread of each party's one-period flow without any deal, at the modal assumptions.

    Over the corners of the stocks, all phases and all feasible moves; in utility per period.
    """
    game = build(scenario, [Variant(None)])
    world = modal(scenario)
    names = tuple(world.names)
    corners = make_grid(scenario, (2,) * len(scenario.stocks)).points()

    def extremes(theta: Array) -> Array:
        p = parameters(game, theta, names, jnp.zeros(len(game.parties)))
        found = []
        found_by_group = grid_tables(game, p, corners, jnp.zeros(()))
        for group, tables in zip(game.groups, found_by_group, strict=True):
            playable = feasible(game, group, tables.open)
            flow = jnp.where(playable[:, None], tables.flow[group.setting], jnp.nan)
            found.append([jnp.nanmin(flow, axis=(0, 2, 3)), jnp.nanmax(flow, axis=(0, 2, 3))])
        return jnp.array(found)

    theta = world.values[0]
    depends = ("stakes", scenario, names)
    each = traced(extremes, depends, (theta,), compiler_options(True), None)(theta)
    low, high = np.fmin.reduce(each[:, 0]), np.fmax.reduce(each[:, 1])
    with np.errstate(all="ignore"):
        gap = high - low
    for party, size in zip(scenario.parties.values(), gap, strict=True):
        if party.stakes is None and not np.isfinite(size):
            what = not_finite(game, names, theta, corners)
            raise QuestionError(
                f"the stakes of {party.name} are without bound: {what}; mend the formula, narrow a "
                f"`range:`, or give parties.{party.name}.stakes"
            )
    return tuple(float(x) for x in np.nan_to_num(gap))


def course_of(out: dict[str, Any], k: int) -> Course:
    """The k-th course of a program's result, with a leading world axis."""
    found: Course = out[f"course{k}"]
    return found
