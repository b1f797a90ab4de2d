"""Whether a trajectory is another program's, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from questions.prim.cases import Case
from servanda.questions.prim import Box, Discovery, prim

TOLERANCE = 1e-9


def asked(case: Case, objective: Any, **more: Any) -> tuple[Discovery, ...]:
    """Our answer in a case."""
    return prim(
        case.x,
        case.y,
        case.names,
        categories=case.categories,
        peel_alpha=case.peel_alpha,
        objective=objective,
        **more,
    )


def in_plain_numbers(case: Case, box: Box) -> dict[str, Any]:
    """A box as `peers.ema` writes one: an open side is the extreme of the data."""
    limits: dict[str, Any] = {}
    quasi_p: dict[str, Any] = {}
    for r in box.restrictions:
        column = case.x[:, case.names.index(r.name)]
        if r.labels:
            limits[r.name] = sorted(r.labels)
            quasi_p[r.name] = [r.quasi_p_labels]
        else:
            limits[r.name] = [max(r.low, column.min()), min(r.high, column.max())]
            ps = (r.quasi_p_low, r.quasi_p_high)
            quasi_p[r.name] = [None if np.isnan(p) else p for p in ps]
    return {
        "coverage": box.coverage,
        "density": box.density,
        "mass": box.mass,
        "dimensions": box.dimensions,
        "cases": box.cases,
        "of_interest": box.of_interest,
        "limits": limits,
        "quasi_p": quasi_p,
    }


def assert_same_steps(case: Case, ours: Discovery, theirs: list[dict[str, Any]]) -> None:
    """Every figure of every step, to 1e-9; the largest difference seen is told on failure."""
    mine = [in_plain_numbers(case, box) for box in ours.trajectory]
    for step, (a, b) in enumerate(zip(mine, theirs)):
        _assert_same(a, b, f"step {step}")
    assert len(mine) == len(theirs)


def _assert_same(a: Any, b: Any, where: str) -> None:
    if isinstance(b, dict):
        assert set(a) == set(b), where
        for key in b:
            _assert_same(a[key], b[key], f"{where}, {key}")
    elif isinstance(b, list):
        assert len(a) == len(b), where
        for one, other in zip(a, b):
            _assert_same(one, other, where)
    elif isinstance(b, (int, float)):
        assert a is not None, where
        assert abs(a - b) <= TOLERANCE * max(1.0, abs(b)), f"{where}: {a} and {b}"
    else:
        assert a == b, f"{where}: {a} and {b}"
