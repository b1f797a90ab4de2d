"""A formula means what arithmetic says it means, and nothing else can be written as one."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servanda.errors import FormulaError
from servanda.scenario.formulas import (
    FUNCTIONS,
    constant,
    evaluate,
    occurrences,
    parse_formula,
    parse_test,
    substitute,
)

NAMES = ("power", "front", "russia.attack", "north.yield.if")


def value(text, **env):
    return float(evaluate(parse_formula(text), env))


# --- meaning --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2*3", 7),
        ("2**3**2", 512),
        ("-2**2", -4),
        ("2**-1", 0.5),
        ("(1 - 0.5)/2", 0.25),
        ("1 < 2", 1),
        ("1 < 2 < 2", 0),
        ("3 != 3", 0),
        ("1 <= 1 and 2 >= 3 or 4 == 4", 1),
        ("not 1", 0),
        ("not 0 + 0", 1),
        ("0.7 and 0.6", 1),
        ("0.7 and 0.4", 0),
        ("5 if 0.6 else 7", 5),
        ("5 if 0.5 else 7", 7),
        ("1 if 0 else 2 if 1 else 3", 2),
        ("abs(-2)", 2),
        ("min(3, 1, 2)", 1),
        ("max(3, 1, 2)", 3),
        ("clip(5, 0, 1)", 1),
        ("exp(0)", 1),
        ("log(1)", 0),
        ("sqrt(9)", 3),
        ("tanh(0)", 0),
        ("sigmoid(0)", 0.5),
        ("sigmoid(-800) + sigmoid(800)", 1),
        (" 1 +\n  1 ", 2),
        ("+1", 1),
        (".5 + 5. + 1e-1", 5.6),
        (True, 1),
        (False, 0),
        (3, 3),
        (0.25, 0.25),
    ],
)
def test_a_formula_means_what_it_says(text, expected):
    assert value(text) == pytest.approx(expected)


def test_a_name_is_read_with_its_dots():
    formula = parse_formula("russia.attack*(front - north.yield.if) if period > 3 else front")
    assert formula.names == {"russia.attack", "front", "north.yield.if", "period"}
    assert [name for name, _ in occurrences(formula)] == [
        "russia.attack",
        "front",
        "north.yield.if",
        "period",
        "front",
    ]
    for name, offset in occurrences(formula):
        assert formula.text[offset:].startswith(name)


def test_arrays_are_broadcast():
    formula = parse_formula("a*b + 1")
    result = evaluate(formula, {"a": np.ones((3, 1)), "b": np.arange(4.0)})
    assert result.shape == (3, 4)
    np.testing.assert_array_equal(result[0], [1, 2, 3, 4])


def test_whole_numbers_and_truth_values_count_as_numbers():
    assert value("a**-1 - b", a=np.int64(2), b=np.True_) == -0.5


def test_a_power_has_a_derivative_at_nought():
    formula = parse_formula("x**2 + (-x)**3")
    slope = jax.grad(lambda x: evaluate(formula, {"x": x}, jnp))
    assert float(slope(0.0)) == 0.0
    assert float(slope(-1.0)) == pytest.approx(-2.0 - 3.0)


def test_what_divides_by_nought_is_silent_and_infinite():
    with np.errstate(all="raise"):
        assert math.isinf(value("1/x", x=0.0))


def test_a_name_that_is_not_given_is_a_mistake_of_the_caller():
    with pytest.raises(KeyError):
        value("x + 1")


def test_definitions_can_be_put_in():
    outer = parse_formula("2*war + peace")
    inner = substitute(outer, {"war": parse_formula("a + 1"), "other": constant(3)})
    assert inner.names == {"a", "peace"}
    assert outer.names == {"war", "peace"}
    assert float(evaluate(inner, {"a": 1.0, "peace": 0.5})) == 4.5
    assert inner.text == outer.text


def test_definitions_of_definitions_cannot_explode():
    def doubled(times):
        formula = parse_formula("a + a")
        for _ in range(times):
            formula = substitute(parse_formula("a + a"), {"a": formula})
        return formula

    assert doubled(3).names == {"a"}
    with pytest.raises(FormulaError, match="too long"):
        doubled(50)


def test_a_claim_may_call_what_the_reports_offer():
    test = parse_test("survival(truce, 12) < 0.5 and worth(truce, by=russia.aims) > 0")
    assert test.names == {"truce", "russia.aims"}


# --- the law: a formula agrees with Python's own arithmetic -----------------------------------

# Every strategy draws a pair: the text, and a function that computes it from the values of NAMES.


def truth(x):
    return 1.0 if x else 0.0


def binary(a, symbol, b):
    compute = {
        "+": lambda x, y: x + y,
        "-": lambda x, y: x - y,
        "*": lambda x, y: x * y,
        "/": lambda x, y: x / y,
        "<": lambda x, y: truth(x < y),
        "<=": lambda x, y: truth(x <= y),
        ">": lambda x, y: truth(x > y),
        ">=": lambda x, y: truth(x >= y),
        "and": lambda x, y: truth(x > 0.5 and y > 0.5),
        "or": lambda x, y: truth(x > 0.5 or y > 0.5),
    }[symbol]
    return f"({a[0]} {symbol} {b[0]})", lambda e: compute(a[1](e), b[1](e))


def call(function, arguments):
    compute = {
        "abs": abs,
        "min": min,
        "max": max,
        "clip": lambda x, low, high: min(max(x, low), high),
        "exp": math.exp,
        "log": math.log,
        "sqrt": math.sqrt,
        "tanh": math.tanh,
        "sigmoid": lambda x: 1.0 / (1.0 + math.exp(-x)),
    }[function]
    text = f"{function}({', '.join(a[0] for a in arguments)})"
    return text, lambda e: compute(*(a[1](e) for a in arguments))


def grow(inner):
    symbols = st.sampled_from(["+", "-", "*", "/", "<", "<=", ">", ">=", "and", "or"])
    return st.one_of(
        st.builds(binary, inner, symbols, inner),
        st.sampled_from(sorted(FUNCTIONS)).flatmap(
            lambda f: st.lists(
                inner, min_size=FUNCTIONS[f][0], max_size=min(FUNCTIONS[f][1], 4)
            ).map(lambda arguments: call(f, arguments))
        ),
        inner.map(lambda a: (f"-{a[0]}" if a[0][0] != "-" else f"-({a[0]})", lambda e: -a[1](e))),
        inner.map(lambda a: (f"(not {a[0]})", lambda e: truth(not a[1](e) > 0.5))),
        st.tuples(inner, st.integers(0, 4)).map(
            lambda p: (f"({p[0][0]})**{p[1]}", lambda e: p[0][1](e) ** p[1])
        ),
        st.tuples(inner, inner, inner).map(
            lambda p: (
                f"({p[0][0]} if {p[1][0]} else {p[2][0]})",
                lambda e: p[0][1](e) if p[1][1](e) > 0.5 else p[2][1](e),
            )
        ),
    )


numbers = st.floats(0, 9, allow_nan=False).map(lambda x: round(x, 3))
leaves = st.one_of(
    numbers.map(lambda x: (repr(x), lambda e: x)),
    st.sampled_from(NAMES).map(lambda n: (n, lambda e: e[n])),
)
expressions = st.recursive(leaves, grow, max_leaves=12)
environments = st.fixed_dictionaries(
    {name: st.floats(-3, 3, allow_nan=False).map(lambda x: round(x, 3)) for name in NAMES}
)


def agree(ours, reference):
    """Equal up to rounding; huge numbers and values on the edge of a comparison say nothing."""
    return math.isclose(float(ours), reference, rel_tol=1e-6, abs_tol=1e-6)


def steady(reference, env):
    """The reference value where it is finite and does not jump when the values move a little."""
    try:
        at = reference(env)
        near = [reference({k: v + step for k, v in env.items()}) for step in (-1e-9, 1e-9)]
    except (ZeroDivisionError, OverflowError, ValueError):
        return None
    if isinstance(at, complex) or not math.isfinite(at) or abs(at) > 1e12:
        return None
    return at if all(math.isclose(at, x, rel_tol=1e-3, abs_tol=1e-3) for x in near) else None


@settings(max_examples=400, deadline=None)
@given(expressions, environments)
def test_a_formula_agrees_with_pythons_arithmetic(expression, env):
    text, reference = expression
    formula = parse_formula(text)
    expected = steady(reference, env)
    if expected is not None:
        assert agree(evaluate(formula, env), expected)


@settings(max_examples=150, deadline=None)
@given(expressions, environments)
def test_numpy_and_jax_agree(expression, env):
    text, reference = expression
    formula = parse_formula(text)
    if steady(reference, env) is None:
        return
    with jax.enable_x64(True):
        ours = float(evaluate(formula, {k: jnp.asarray(v) for k, v in env.items()}, jnp))
    assert math.isclose(ours, float(evaluate(formula, env)), rel_tol=1e-6, abs_tol=1e-9)


# --- what cannot be written -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\n",
        "\0",
        "a\0b",
        "é",
        "a + ½",
        "__import__('os').system('ls')",
        "().__class__",
        "a.__class__.__bases__()",
        "[x for x in y]",
        "lambda: 0",
        "yield",
        "await a",
        "a := 1",
        "a = 1",
        "f'{a}'",
        "'a'*9",
        "a[0]",
        "{a}",
        "a; b",
        "a # comment",
        "a \\\n b",
        "1_000",
        "0x10",
        "0o7",
        "1j",
        "1e999",
        "a**33",
        "1..a",
        "a..b",
        "a.",
        ".a",
        "a b",
        "a (b)",
        "(a, b)",
        "min(a=1, b=2)",
        "min(*a)",
        "max(**a)",
        "min()",
        "min(1)",
        "clip(1, 2)",
        "eval(1)",
        "True",
        "None",
        "not",
        "a not in b",
        "a is b",
        "a in b",
        "a if b",
        "if a else b",
        "a % b",
        "a // b",
        "a @ b",
        "a & b",
        "~a",
        "a <> b",
        "...",
        "(" * 3000,
        "(" * 900 + "1" + ")" * 900,
        "-" * 1900 + "1",
        "not " * 400 + "1",
        "1 if 1 else " * 150 + "1",
        "2**" * 600 + "2",
        "+".join("a" * 900),
        "abs(" * 200 + "1" + ")" * 200,
        "1" * 1999,
        "a" * 2001,
    ],
)
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(FormulaError) as error:
        parse_formula(text)
    assert error.value.message
    assert 0 <= error.value.offset <= len(text)


@settings(max_examples=1500, deadline=None)
@given(
    st.text(max_size=60)
    | st.text(alphabet="ab.()+-*/<>=!,0123456789e if else not and\n", max_size=80)
)
def test_no_text_does_more_than_be_refused(text):
    for parse in (parse_formula, parse_test):
        formula, offset = read(parse, text)
        assert 0 <= offset <= max(len(text), 1)
        if formula is not None and parse is parse_formula:
            evaluate(formula, dict.fromkeys(formula.names, 0.5))


def read(parse, text):
    """The formula, or None and where it goes wrong."""
    try:
        return parse(text), 0
    except FormulaError as error:
        return None, error.offset


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 10**400])
def test_a_number_that_is_not_finite_is_no_formula(number):
    with pytest.raises(FormulaError, match="finite"):
        parse_formula(number)


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("front + sqr(x)", "unknown function 'sqr'; did you mean 'sqrt'?", 8),
        ("a = b", "unexpected '=': compare with '=='", 2),
        ("a ^ 2", "unexpected '^': a power is written '**'", 2),
        ("(a + b", "a '(' is not closed", 0),
        ("a + b)", "a ')' closes nothing", 5),
        ("a + * b", "a value is missing after '+' before '*'", 4),
        ("a +", "the formula ends too early: a value is missing after '+'", 2),
        ("a b", "an operator is missing before 'b'", 2),
        ("2(a)", "an operator is missing before '('", 1),
        ("0,5", "a ',' stands only between the arguments of a function; decimals take a point", 1),
        ("clip(a, 0)", "'clip' takes 3 arguments, not 2", 0),
        ("a if b", "an 'if' needs an 'else'", 2),
    ],
)
def test_a_mistake_is_named_and_placed(text, message, offset):
    with pytest.raises(FormulaError) as error:
        parse_formula(text)
    assert (str(error.value), error.value.offset) == (message, offset)
