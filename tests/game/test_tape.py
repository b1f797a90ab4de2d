"""Do tapes mean what their formulas say? Random formulas over scalars, rows, stocks and what is
seen go in; the kernel, pure JAX and NumPy must agree, and so must derivatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servanda.game import kernel, tape
from servanda.game.tape import Tape, Writer, interpret
from servanda.scenario.formulas import evaluate, parse_formula

jax.config.update("jax_enable_x64", True)

needs_kernel = pytest.mark.skipif(
    not tape.ready(), reason=f"no kernel: {kernel.status(0, 'tape', 0)}"
)

NAMES = {
    "a": ("scalar", 0), "b": ("scalar", 1), "r": ("row", 0), "q": ("row", 2),
    "s": ("stock", 0), "t": ("stock", 1), "u": ("seen", 1),
}  # fmt: skip


def compiled(texts: list[str]) -> Tape:
    w = Writer()
    names = {name: w.step(*where) for name, where in NAMES.items()}
    return w.tape([w.formula(parse_formula(text), names) for text in texts])


def inputs(rows: int, points: int, seed: int = 0) -> list[np.ndarray]:
    """Numbers on a coarse grid, so that there are ties and zeros; exact in binary."""
    rng = np.random.default_rng(seed)
    shapes = [(2,), (3, rows), (2, points), (2, points)]
    return [rng.integers(-8, 9, shape) / 4.0 for shape in shapes]


def read(made: Tape, given: list[np.ndarray]) -> list[jax.Array]:
    scalars, rows, stocks, seen = given
    found = [scalars, rows[list(made.rows)], stocks, seen[list(made.seen)]]
    return [jnp.asarray(x) for x in found]


def expected(texts: list[str], given: list[np.ndarray]) -> np.ndarray:
    """By NumPy, name by name."""
    sources = dict(zip(("scalar", "row", "stock", "seen"), given, strict=True))
    env = {name: sources[source][k] for name, (source, k) in NAMES.items()}
    env |= {name: env[name][:, None] for name in ("r", "q")}
    shape = (given[1].shape[1], given[2].shape[1])
    return np.stack([np.broadcast_to(evaluate(parse_formula(x), env), shape) for x in texts])


# Comparisons and ties are asked of exact numbers only: there rounding decides nothing.
exact = st.recursive(
    st.sampled_from([*NAMES, "0.5", "2", "0"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(
            lambda x: f"({x[0]} {x[1]} {x[2]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda x: f"{x[0]}({x[1]}, {x[2]})"
        ),
        inner.map(lambda x: f"abs({x})"),
        inner.map(lambda x: f"clip({x}, -0.5, 0.75)"),
        inner.map(lambda x: f"(-{x})"),
    ),
    max_leaves=6,
)
conditions = st.recursive(
    st.tuples(exact, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), exact).map(
        lambda x: f"({x[0]} {x[1]} {x[2]})"
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda x: f"({x[0]} {x[1]} {x[2]})"
        ),
        inner.map(lambda x: f"(not {x})"),
        st.tuples(exact, exact, exact).map(lambda x: f"({x[0]} < {x[1]} <= {x[2]})"),
    ),
    max_leaves=4,
)
powers = st.sampled_from(["0", "1", "2", "3", "7", "-1", "-2", "0.5", "1.5"])
formulas = st.recursive(
    st.one_of(exact, conditions),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda x: f"({x[0]} {x[1]} {x[2]})"
        ),
        st.tuples(inner, conditions, inner).map(lambda x: f"({x[0]} if {x[1]} else {x[2]})"),
        st.tuples(st.sampled_from(["exp", "log", "sqrt", "tanh", "sigmoid"]), inner).map(
            lambda x: f"{x[0]}({x[1]})"
        ),
        st.tuples(inner, powers).map(lambda x: f"({x[0]}) ** {x[1]}"),
        st.tuples(inner, inner).map(lambda x: f"(0.5 + abs({x[0]})) ** {x[1]}"),
    ),
    max_leaves=6,
)
shapes = st.sampled_from([(1, 1), (3, 5), (2, 70), (5, 1)])


def agree(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> None:
    with np.errstate(all="ignore"):
        scale = np.abs(theirs)[np.isfinite(theirs)].max(initial=0.0)
        small = np.isfinite(theirs) & (scale < 1e100)
    np.testing.assert_allclose(
        np.asarray(ours)[small], theirs[small], rtol=tolerance, atol=tolerance * min(scale, 1e100)
    )


@needs_kernel
@settings(max_examples=60, deadline=None)
@given(st.lists(formulas, min_size=1, max_size=4), shapes, st.integers(0, 5))
def test_the_kernel_agrees_with_jax_and_numpy(
    texts: list[str], shape: tuple[int, int], seed: int
) -> None:
    made, given = compiled(texts), inputs(*shape, seed)
    ours = np.asarray(tape.evaluate(made, *read(made, given)))
    for theirs in (np.asarray(interpret(made, *read(made, given))), expected(texts, given)):
        finite = np.abs(theirs) < 1e290
        np.testing.assert_allclose(ours[finite], theirs[finite], rtol=2e-12, atol=1e-290)
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))


@needs_kernel
@settings(max_examples=40, deadline=None)
@given(st.lists(formulas, min_size=1, max_size=3), shapes, st.integers(0, 5))
def test_its_derivatives_are_those_of_jax(
    texts: list[str], shape: tuple[int, int], seed: int
) -> None:
    made = compiled(texts)
    scalars, rows, stocks, seen = read(made, inputs(*shape, seed))
    weight = jnp.asarray(np.random.default_rng(seed).normal(size=(len(texts), *shape)))

    def derivatives(function):
        _, back = jax.vjp(lambda x, y: function(made, x, rows, y, seen), scalars, stocks)
        return back(weight)

    for ours, theirs in zip(derivatives(tape._call), derivatives(interpret), strict=True):
        agree(np.asarray(ours), np.asarray(theirs), 1e-9)


@needs_kernel
@pytest.mark.parametrize(
    ("text", "at", "slope"),
    [
        ("max(s, a)", 0.5, 0.5),
        ("min(s, s)", 0.5, 1.0),
        ("min(a, s)", 0.25, 1.0),
        ("abs(s)", 0.0, 0.0),
        ("s ** 2", 0.0, 0.0),
        ("s ** 1", 0.0, 1.0),
        ("s ** 0", 0.0, 0.0),
        ("s ** 1.5", 0.0, 0.0),
        ("s ** (a - 0.5)", 0.0, 0.0),
        ("s ** 9", 1.0, 9.0),
        ("s ** -3", 1.0, -3.0),
        ("(s > 0) + (not s) + (s and a)", 0.25, 0.0),
        ("s if s > 1 else 2 * s", 0.5, 2.0),
        ("log(s) if s > 0 else s", 0.0, 1.0),
        ("sqrt(s) if s > 0 else s", 0.0, 1.0),
        ("1 / s if s > 0 else 3 * s", 0.0, 3.0),
        ("clip(s, 0, 1)", 1.0, 0.5),
        ("clip(s, 0, 1)", 2.0, 0.0),
    ],
)
def test_ties_edges_and_branches_not_taken(text: str, at: float, slope: float) -> None:
    made = compiled([text])

    def value(s: jax.Array) -> jax.Array:
        stocks = jnp.stack([s, s])[:, None]
        return tape.evaluate(
            made, jnp.full(2, 0.5), jnp.zeros((0, 1)), stocks, jnp.zeros((0, 1))
        ).sum()

    assert float(jax.grad(value)(jnp.asarray(at))) == slope


@needs_kernel
@pytest.mark.parametrize(
    ("rows", "points"), [(0, 3), (3, 0), (1, 1), (65, 1), (2, 64), (2, 65), (129, 7), (3, 1100)]
)
def test_blocks_of_any_size(rows: int, points: int) -> None:
    texts = ["a * r + s * q", "tanh(s * t) * exp(u) / (2 + q * q)", "a ** 2", "q", "max(r, s, u)"]
    made = compiled(texts)
    given = read(made, inputs(rows, points))
    out = tape.evaluate(made, *given)
    np.testing.assert_allclose(out, interpret(made, *given), rtol=1e-13, atol=1e-15)
    scalars, along, stocks, seen = given
    for function in (tape._call, interpret):
        back = jax.vjp(lambda x, y, f=function: f(made, x, along, y, seen), scalars, stocks)[1]
        found = back(jnp.cos(jnp.arange(out.size)).reshape(out.shape))
        if function is tape._call:
            ours = found
    for x, y in zip(ours, found, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-10)


@needs_kernel
def test_what_is_no_number_or_has_no_end() -> None:
    texts = ["exp(s)", "tanh(s)", "log(s)", "sqrt(s)", "sigmoid(s)", "min(s, 1)", "max(1, s)"]
    texts += ["s > 0", "not s", "abs(s)", "s if s else 1", "s ** 3", "1 / s", "clip(s, 0, 1)"]
    edges = np.array([np.nan, np.inf, -np.inf, 0.0, 1e308, -1e308, 709.0, -745.0, 1e-300])
    made = compiled(texts)
    given = [np.zeros(2), np.zeros((3, 1)), np.stack([edges, edges]), np.zeros((2, len(edges)))]
    ours = np.asarray(tape.evaluate(made, *read(made, given)))
    np.testing.assert_allclose(ours, expected(texts, given), rtol=1e-13, atol=1e-300)


def test_what_formulas_share_is_one_step() -> None:
    once, twice = compiled(["exp(s * a) + r"]), compiled(["exp(a * s) + r", "r + exp(s * a)"])
    assert once.steps == twice.steps
    assert twice.results[0] == twice.results[1]


def test_definitions_of_definitions_do_not_explode() -> None:
    w = Writer()
    names = {"x0": w.step("stock", 0)}
    for k in range(300):
        names[f"x{k + 1}"] = w.formula(parse_formula(f"x{k} * x{k} + x{k}"), names)
    assert len(w.tape([names["x300"]]).steps) == 601


def test_slots_are_used_again() -> None:
    made = compiled([" + ".join(f"tanh(s * r * {k})" for k in range(40))])
    assert made.ends[3] - made.ends[2] > 40
    assert max(made.slots) < 6


@needs_kernel
def test_an_exported_program_calls_it() -> None:
    made = compiled(["exp(s) * a + r"])
    given = read(made, inputs(2, 3))
    function = jax.jit(lambda *x: tape.evaluate(made, *x))
    allowed = [jax.export.DisabledSafetyCheck.custom_call(x) for x in kernel.plain_names("tape")]
    blob = jax.export.export(function, disabled_checks=allowed)(*given).serialize()
    again = jax.export.deserialize(blob).call(*given)
    np.testing.assert_array_equal(again, function(*given))
    assert "stablehlo.custom_call" in function.lower(*given).as_text()


@needs_kernel
def test_it_runs_in_loops_and_batches() -> None:
    made = compiled(["s * a + 0.5 * t", "t - r * s"])
    scalars, rows, stocks, seen = read(made, inputs(1, 4))

    def later(scalars: jax.Array) -> jax.Array:
        def step(x: jax.Array, _: None) -> tuple[jax.Array, None]:
            return tape.evaluate(made, scalars, rows, x, seen)[:, 0], None

        return jax.lax.scan(step, stocks, None, length=3)[0].sum()

    several = jnp.stack([scalars, 2 * scalars])
    one_by_one = jnp.stack([jax.grad(later)(x) for x in several])
    np.testing.assert_allclose(jax.vmap(jax.grad(later))(several), one_by_one, rtol=1e-13)


def test_the_kernel_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVANDA_KERNEL", "off")
    assert not tape.ready()
    made = compiled(["s + r"])
    given = read(made, inputs(2, 3))
    np.testing.assert_array_equal(tape.evaluate(made, *given), interpret(made, *given))
