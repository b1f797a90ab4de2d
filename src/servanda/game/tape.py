"""Formulas as one flat list of steps: compiled once, evaluated in one call.

In: formulas, and where the names they read are found (scalars, numbers along rows, stocks and other
numbers along points). Out: a `Tape`, and by `evaluate` its results at every row and point. What
several formulas have in common is one step. A compiled kernel (tape.c) runs the tape with its own
reverse-mode derivative; where there is none, `interpret` does the same in pure JAX, and says what
is meant.
"""

from __future__ import annotations

import ast
import functools
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from servanda.game import kernel
from servanda.scenario.formulas import Formula

OPERATIONS: Final = (
    "constant", "scalar", "row", "stock", "seen",
    "not", "and", "or", "less", "less_equal", "equal", "not_equal",
    "add", "subtract", "multiply", "divide", "power", "whole_power",
    "negate", "abs", "minimum", "maximum", "select", "exp", "log", "sqrt", "tanh",
)  # fmt: skip
"""What a step can do; its place is its number in tape.c."""

_NUMBER: Final = {name: k for k, name in enumerate(OPERATIONS)}
_SOURCES: Final = OPERATIONS[:5]
_FLAT: Final = frozenset(OPERATIONS[:5]) - {"scalar", "stock"} | frozenset(OPERATIONS[5:12])
"""Steps without a derivative: constants, positions, comparisons and the like."""
_EITHER_WAY: Final = frozenset({"add", "multiply", "equal", "not_equal", "and", "or"})

_ROW, _POINT = 1, 2
"""Bits of a step's class: its value changes with the row, with the point."""
_CLASS: Final = {"row": _ROW, "stock": _POINT, "seen": _POINT}

Step = tuple[str, int, int, int]
"""An operation and its operands: earlier steps; of sources the place of what they read, of a
constant the two halves of its bits; of a whole power the exponent second."""


@dataclass(frozen=True, eq=False)
class Tape:
    """Steps by class: the same everywhere, by row, by point, by both."""

    steps: tuple[Step, ...]
    ends: tuple[int, int, int, int]  # where each class ends
    results: tuple[int, ...]  # the steps whose values are wanted
    slots: tuple[int, ...]  # where the kernel keeps a value of the last class
    active: tuple[bool, ...]  # whether a step's value depends smoothly on scalars or stocks
    rows: tuple[int, ...]  # the places along rows that are read: `evaluate` is given no others
    seen: tuple[int, ...]  # the same along points

    def attributes(self) -> dict[str, np.ndarray]:
        """What the kernel is told."""
        flat = [(_NUMBER[name], a, b, c) for name, a, b, c in self.steps]
        return {
            "step": np.array(flat, np.int32).reshape(-1),
            "slot": np.array(self.slots, np.int32),
            "active": np.array(self.active, np.int32),
            "result": np.array(self.results, np.int32),
            "sizes": np.array([*self.ends, max(self.slots, default=0) + 1], np.int32),
        }


# -- from formulas to steps ----------------------------------------------------------------------


class Writer:
    """Writes steps, each only once; a step is known by its number."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._written: dict[Step, int] = {}

    def step(self, name: str, a: int = 0, b: int | None = None, c: int | None = None) -> int:
        """The number of a step; see `OPERATIONS` and `Step`."""
        spare = 0 if name in _SOURCES else a
        b, c = (spare if x is None else x for x in (b, c))
        if name in _EITHER_WAY and a > b:
            a, b, c = b, a, b
        found = (name, a, b, c)
        if found not in self._written:
            self._written[found] = len(self.steps)
            self.steps.append(found)
        return self._written[found]

    def constant(self, value: float) -> int:
        return self.step("constant", *struct.unpack("<ii", struct.pack("<d", value)))

    def total(self, terms: Sequence[int]) -> int:
        """The sum of steps."""
        if not terms:
            return self.constant(0.0)
        return reduce(lambda a, b: self.step("add", a, b), terms)

    def clip(self, x: int, low: float, high: float) -> int:
        above = self.step("maximum", x, self.constant(low))
        return self.step("minimum", above, self.constant(high))

    def is_value(self, x: int, value: float) -> int:
        """1 where a step equals a constant."""
        return self.step("equal", x, self.constant(value))

    def every(self, conditions: Sequence[int]) -> int:
        if not conditions:
            return self.constant(1.0)
        return reduce(lambda a, b: self.step("and", a, b), conditions)

    def formula(self, f: Formula, names: Mapping[str, int]) -> int:
        """A formula's value, as `formulas.evaluate` gives it; `names` are steps."""
        return self._node(f.tree, names)

    def _node(self, node: ast.expr, names: Mapping[str, int]) -> int:
        def value(child: ast.expr) -> int:
            return self._node(child, names)

        match node:
            case ast.Constant(value=float(number)):
                return self.constant(number)
            case ast.Name(id=name):
                return names[name]
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=float(exponent))):
                if exponent.is_integer() and abs(exponent) < 2**30:
                    return self.step("whole_power", value(left), int(exponent))
                return self.step("power", value(left), self.constant(exponent))
            case ast.BinOp(left=left, op=operator, right=right):
                return self.step(_ARITHMETIC[type(operator)], value(left), value(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.step("negate", value(operand))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return value(operand)
            case ast.UnaryOp(operand=operand):
                return self.step("not", value(operand))
            case ast.BoolOp(op=operator, values=values):
                name = "and" if isinstance(operator, ast.And) else "or"
                return reduce(lambda a, b: self.step(name, a, b), map(value, values))
            case ast.Compare(left=left, ops=operators, comparators=others):
                sides = [value(side) for side in (left, *others)]
                return self.every(
                    [self._compare(o, *sides[i : i + 2]) for i, o in enumerate(operators)]
                )
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.step("select", value(test), value(body), value(orelse))
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self._call(function, [value(argument) for argument in arguments])
        raise TypeError(f"{ast.dump(node)} is no part of a formula")

    def _compare(self, operator: ast.cmpop, left: int, right: int) -> int:
        if isinstance(operator, ast.Gt | ast.GtE):
            left, right = right, left
        return self.step(_COMPARISONS[type(operator)], left, right)

    def _call(self, function: str, x: list[int]) -> int:
        match function:
            case "min" | "max":
                return reduce(lambda a, b: self.step(f"{function}imum", a, b), x)
            case "clip":
                return self.step("minimum", self.step("maximum", x[0], x[1]), x[2])
            case "sigmoid":  # by way of tanh, which does not overflow
                half = self.constant(0.5)
                turned = self.step("tanh", self.step("multiply", half, x[0]))
                return self.step("multiply", half, self.step("add", self.constant(1.0), turned))
            case _:
                return self.step(function, x[0])

    def tape(self, results: Sequence[int]) -> Tape:
        """The steps that results need, in order of class."""
        needed: set[int] = set(results)
        for i in reversed(range(len(self.steps))):
            if i in needed:
                needed.update(_operands(self.steps[i]))
        classes: dict[int, int] = {}
        active: dict[int, bool] = {}
        for i in sorted(needed):
            step = self.steps[i]
            operands = _operands(step)
            smooth = operands[1:] if step[0] == "select" else operands
            classes[i] = reduce(lambda c, j: c | classes[j], operands, _CLASS.get(step[0], 0))
            active[i] = step[0] not in _FLAT and (not smooth or any(active[j] for j in smooth))
        order = sorted(needed, key=lambda i: (classes[i], i))
        place = {i: k for k, i in enumerate(order)}
        read = {
            source: sorted(self.steps[i][1] for i in order if self.steps[i][0] == source)
            for source in ("row", "seen")
        }
        steps = tuple(_renumbered(self.steps[i], place, read) for i in order)
        ends = [sum(classes[i] <= c for i in order) for c in range(4)]
        wanted = tuple(place[i] for i in results)
        return Tape(
            steps,
            (ends[0], ends[1], ends[2], ends[3]),
            wanted,
            _slots(steps, ends[2], wanted),
            tuple(active[i] for i in order),
            tuple(read["row"]),
            tuple(read["seen"]),
        )


_ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
}
_COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "less",
    ast.GtE: "less_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}


def _operands(step: Step) -> tuple[int, ...]:
    """The steps a step reads; those it has no use for repeat the first."""
    name, a, b, c = step
    if name in _SOURCES:
        return ()
    return (a,) if name == "whole_power" else (a, b, c) if name == "select" else (a, b)


def _renumbered(step: Step, place: Mapping[int, int], read: Mapping[str, list[int]]) -> Step:
    name, a, b, c = step
    if name in _SOURCES:
        return (name, read[name].index(a), b, c) if name in read else step
    return name, place[a], b if name == "whole_power" else place[b], place[c]


def _slots(steps: Sequence[Step], first: int, results: Sequence[int]) -> tuple[int, ...]:
    """A slot for every step from `first` on, used again once nobody reads its value any more."""
    last = {i: i for i in range(len(steps))}
    for i, step in enumerate(steps):
        last.update(dict.fromkeys(_operands(step), i))
    last.update(dict.fromkeys(results, len(steps)))
    slots = [0] * len(steps)
    free: list[int] = []
    used = 0
    for i in range(first, len(steps)):
        free += [slots[j] for j in sorted(set(_operands(steps[i]))) if j >= first and last[j] == i]
        if not free:
            free.append(used)
            used += 1
        slots[i] = free.pop()
    return tuple(slots)


# -- evaluation ----------------------------------------------------------------------------------


def evaluate(
    tape: Tape,
    scalars: Float[Array, " scalar"],
    rows: Float[Array, "column row"],
    stocks: Float[Array, "stock point"],
    seen: Float[Array, "column point"],
) -> Float[Array, "result row point"]:
    """A tape's results at every row and point; of rows and seen, those that it reads.

    Differentiable by reverse mode in scalars and stocks.
    """
    inputs = [jnp.asarray(x, float) for x in (scalars, rows, stocks, seen)]
    return _call(tape, *inputs) if ready() else interpret(tape, *inputs)


def ready() -> bool:
    """Whether the kernel can be called."""
    return bool(kernel.plain_names("tape"))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _call(tape: Tape, scalars: Array, rows: Array, stocks: Array, seen: Array) -> Array:
    shape = (len(tape.results), rows.shape[1], stocks.shape[1])
    out = jax.ShapeDtypeStruct(shape, jnp.float64)
    call = jax.ffi.ffi_call(kernel.plain_names("tape")[0], out, vmap_method="sequential")
    result: Array = call(scalars, rows, stocks, seen, **tape.attributes())
    return result


Inputs = tuple[Array, Array, Array, Array]


def _forward(
    tape: Tape, scalars: Array, rows: Array, stocks: Array, seen: Array
) -> tuple[Array, Inputs]:
    return _call(tape, scalars, rows, stocks, seen), (scalars, rows, stocks, seen)


def _backward(tape: Tape, inputs: Inputs, cotangent: Array) -> tuple[Array, None, Array, None]:
    shapes = [jax.ShapeDtypeStruct(inputs[k].shape, jnp.float64) for k in (0, 2)]
    call = jax.ffi.ffi_call(kernel.plain_names("tape")[1], shapes, vmap_method="sequential")
    d_scalars, d_stocks = call(*inputs, cotangent, **tape.attributes())
    return d_scalars, None, d_stocks, None


_call.defvjp(_forward, _backward)


def interpret(
    tape: Tape, scalars: Array, rows: Array, stocks: Array, seen: Array
) -> Float[Array, "result row point"]:
    """`evaluate` in pure JAX."""
    sources: dict[str, Callable[[int], Array]] = {
        "scalar": lambda k: scalars[k],
        "row": lambda k: rows[k][:, None],
        "stock": lambda k: stocks[k],
        "seen": lambda k: seen[k],
    }
    values: list[Array] = []
    for name, a, b, c in tape.steps:
        if name == "constant":
            found = jnp.asarray(struct.unpack("<d", struct.pack("<ii", a, b))[0], scalars.dtype)
        elif name in sources:
            found = sources[name](a)
        elif name == "whole_power":
            found = values[a] ** b
        else:
            found = _MEANINGS[name](values[a], values[b], values[c])
        values.append(found)
    shape = (rows.shape[1], stocks.shape[1])
    if not tape.results:
        return jnp.zeros((0, *shape))
    return jnp.stack([jnp.broadcast_to(values[i], shape) for i in tape.results])


def _one(holds: Array) -> Array:
    return jnp.where(holds, 1.0, 0.0)


_MEANINGS: Final[dict[str, Callable[[Array, Array, Array], Array]]] = {
    "not": lambda x, y, z: _one(~(x > 0.5)),
    "and": lambda x, y, z: _one((x > 0.5) & (y > 0.5)),
    "or": lambda x, y, z: _one((x > 0.5) | (y > 0.5)),
    "less": lambda x, y, z: _one(x < y),
    "less_equal": lambda x, y, z: _one(x <= y),
    "equal": lambda x, y, z: _one(x == y),
    "not_equal": lambda x, y, z: _one(x != y),
    "add": lambda x, y, z: x + y,
    "subtract": lambda x, y, z: x - y,
    "multiply": lambda x, y, z: x * y,
    "divide": lambda x, y, z: x / y,
    "power": lambda x, y, z: jnp.power(x, y),
    "negate": lambda x, y, z: -x,
    "abs": lambda x, y, z: jnp.maximum(x, -x),  # jnp.abs has slope 1 at 0; the mean is 0
    "minimum": lambda x, y, z: jnp.minimum(x, y),
    "maximum": lambda x, y, z: jnp.maximum(x, y),
    "select": lambda x, y, z: jnp.where(x > 0.5, y, z),
    "exp": lambda x, y, z: jnp.exp(x),
    "log": lambda x, y, z: jnp.log(x),
    "sqrt": lambda x, y, z: jnp.sqrt(x),
    "tanh": lambda x, y, z: jnp.tanh(x),
}
