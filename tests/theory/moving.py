"""Closed forms in which stocks move: scenarios and the values they are known to have.

Every case goes on for ever, so its value is the same whatever horizon is solved. `exact` is derived
in the case's function, by a formula or by iterating the motion in NumPy until nothing is left of a
period; it never calls the solver.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import servanda as sv
from servanda.scenario.model import Scenario

PERIODS = np.arange(4000)
"""As good as for ever: 0.97 to this power is below 1e-52."""

HORIZONS = (12, 24, 60)

DEAL = """
terms: {paid: {levels: {none: 0, some: 1}}}
proposals: {deal: {signatories: [a], terms: {paid: some}}}
"""


@dataclass(frozen=True)
class Case:
    """A scenario's text with HORIZON for its horizon, and what is known of it.

    `exact` is, by party, the worth of `deal`, or the value of no deal where `deal` is None, in the
    party's unit.
    """

    text: str
    exact: dict[str, float]
    deal: str | None = "deal"

    def scenario(self, horizon: int) -> Scenario:
        """The scenario read with this horizon."""
        return sv.load(self.text.replace("HORIZON", str(horizon)))

    def solved(self, horizon: int) -> dict[str, float]:
        """The same figures by the solver, as it is by default."""
        solution = sv.solve(self.scenario(horizon), self.deal)
        found = solution.worth if self.deal else solution.value.sel(regime="no_deal")
        return {party: float(found.sel(party=party)[0]) for party in self.exact}

    def stated(self, horizon: int) -> dict[str, tuple[float, float]]:
        """By party, in its own unit: what `assess` is off by, and what it says it may be."""
        found = sv.assess(self.scenario(horizon), self.deal, worlds=1)
        return {
            p: (float(found.worth_modal.sel(party=p)) - x, found.grid_error[f"worth.{p}"])
            for p, x in self.exact.items()
        }

    def errors(self, horizon: int) -> dict[str, float]:
        """What the solver's figures are off by, as shares of them."""
        found = self.solved(horizon)
        return {p: (found[p] - x) / abs(x) for p, x in self.exact.items()}


def drift() -> Case:
    """A stock grows by 0.02 a period up to 1; the deal pays it: Σ δᵗ min(1, 0.02 t)."""
    text = """
title: Drift to a bound
horizon: HORIZON
parties: {a: {patience: 0.95}}
stocks: {x: {start: 0, next: x + 0.02}}
interests: {a: {pay: x*paid}}
"""
    return Case(text + DEAL, {"a": float(0.95**PERIODS @ np.minimum(1, 0.02 * PERIODS))})


def approach() -> Case:
    """A stock goes k of the way to 1 a period: x_t = 1 - (1 - x₀)(1 - k)ᵗ.

    Its discounted sum is 1/(1 - δ) - (1 - x₀)/(1 - δ(1 - k)), two geometric series.
    """
    text = """
title: Geometric approach to a bound
horizon: HORIZON
parties: {a: {patience: 0.95}}
stocks: {x: {start: 0.1, next: x + 0.05*(1 - x)}}
interests: {a: {pay: x*paid}}
"""
    return Case(text + DEAL, {"a": 1 / 0.05 - 0.9 / (1 - 0.95 * 0.95)})


def beverton_holt() -> Case:
    """Logistic growth in periods: x' = R x/(1 + (R - 1) x), x_t = x₀Rᵗ/(1 + x₀(Rᵗ - 1)).

    Beverton and Holt (1957); y = 1/x - 1 falls by the factor R a period.
    """
    text = """
title: Logistic growth
horizon: HORIZON
parties: {a: {patience: 0.96}}
stocks: {x: {start: 0.02, next: 1.15*x/(1 + 0.15*x)}}
interests: {a: {pay: x*paid}}
"""
    course = 1 / (1 + (1 / 0.02 - 1) * 1.15 ** -PERIODS.astype(float))
    return Case(text + DEAL, {"a": float(0.96**PERIODS @ course)})


STOPPING = """
horizon: HORIZON
parties: {a: {patience: 0.94, acuity: inf, stakes: 1}}
stocks: {x: {start: 0, next: x + 0.02, range: [0, 10]}}
"""


def stopping() -> Case:
    """When to cut a growing wood (Wicksell 1901): it is worth n g after n periods, if it stands.

    Waiting pays while δ(n + 1) > n, so it is cut in the first period n ≥ δ/(1 - δ): with δ = 0.94
    at n = 16, worth δ¹⁶ 16 g.
    """
    text = (
        "title: When to cut\n"
        + STOPPING
        + """
phases: {wood: {values: [stands, cut], next: {cut: a.cut}}}
moves: {a: {options: [wait, cut], when: wood.stands}}
interests: {a: {timber: paid*x*a.cut*wood.stands}}
"""
        + DEAL
    )
    return Case(text, {"a": 0.94**16 * 16 * 0.02})


def stopping_at_usual_stakes() -> Case:
    """The same without a deal, where stakes are found: the whole range's 10, though x stays low."""
    text = stopping().text.replace(", stakes: 1", "").replace("paid*", "").replace(DEAL, "")
    return Case(text, stopping().exact, deal=None)


def stopping_with_a_coin() -> Case:
    """The same, but a buyer is there only in every other period, by the toss of a coin.

    Let W(n) be the value before the toss. From the stopping date on W(n) = n g/2 + δ W(n + 1)/2,
    whose solution is W = a n + b with a = (g/2)/(1 - δ/2), b = (δ/2) a/(1 - δ/2). To sell is best
    from the first n with n g ≥ δ W(n + 1), before it W(n) = δ W(n + 1). At the start the buyer is
    away.
    """
    d, g = 0.94, 0.02
    a = g / 2 / (1 - d / 2)
    b = d / 2 * a / (1 - d / 2)
    n = next(n for n in range(200) if n * g >= d * (a * (n + 1) + b))
    text = (
        "title: When to sell\n"
        + STOPPING
        + """
phases:
  wood: {values: [mine, sold], next: {sold: a.sell}}
  buyer: {values: [away, here], next: {away: 0.5*buyer.here, here: 0.5*buyer.away}}
moves: {a: {options: [wait, sell], when: wood.mine and buyer.here}}
interests: {a: {price: paid*x*a.sell*wood.mine*buyer.here}}
"""
        + DEAL
    )
    return Case(text, {"a": d**n * (a * n + b)})


def riccati() -> Case:
    """Linear-quadratic control: x' = 1.02 x + 0.3 u at a cost of x² + 0.5 u² a period.

    The value is -P x₀² with P the root of the discrete Riccati equation
    P = q + δa²P - (δabP)²/(r + δb²P) (Bertsekas, Dynamic Programming and Optimal Control, 1995,
    sec. 4.1).
    """
    d, a, b, q, r = 0.95, 1.02, 0.3, 1.0, 0.5
    p = 0.0
    for _ in range(2000):
        p = q + d * a * a * p - (d * a * b * p) ** 2 / (r + d * b * b * p)
    text = """
title: Linear-quadratic control
horizon: HORIZON
parties: {a: {patience: 0.95, acuity: inf, stakes: 1}}
stocks: {x: {start: 0.8, next: 1.02*x + 0.3*a.value, range: [-1, 1]}}
moves: {a: {range: [-1.5, 1.5], steps: 121}}
interests: {a: {cost: -paid*(x**2 + 0.5*a.value**2)}}
"""
    return Case(text + DEAL, {"a": -p * 0.8**2})


def shocked() -> Case:
    """x' = ρx + σz has mean ρᵗx₀ and variance σ²(1 - ρ²ᵗ)/(1 - ρ²): what a square costs.

    Σ δᵗ E x_t² = x₀²/(1 - δρ²) + δσ²/((1 - δ)(1 - δρ²)); three points of Gauss and Hermite have the
    normal's second moment.
    """
    d, rho, s, x = 0.95, 0.9, 0.1, 0.8
    exact = (x * x + d * s * s / (1 - d)) / (1 - d * rho * rho)
    text = """
title: A shock
horizon: HORIZON
parties: {a: {patience: 0.95}}
stocks: {x: {start: 0.8, next: 0.9*x, shock: 0.1, range: [-2, 2]}}
interests: {a: {cost: -paid*x**2}}
"""
    return Case(text + DEAL, {"a": -exact})


def fish_war() -> Case:
    """The great fish war (Levhari and Mirman 1980), caught in turn: x' = (rest)^α, u = ln(catch).

    With V = A + B ln x and β = αδ: B = 1/(1 - β), both catch 1 - β of what they find, and the rest
    is β²x. So A₁(1 - δ) = ln(1 - β) + 2β/(1 - β) ln β, and the second, who finds βx, has ln β more.
    """
    alpha, d, x = 0.5, 0.8, 0.5
    beta = alpha * d
    growth = 2 * beta / (1 - beta) * np.log(beta)
    first = (np.log(1 - beta) + growth) / (1 - d) + np.log(x) / (1 - beta)
    second = first + np.log(beta) / (1 - d)
    text = """
title: Great fish war, in turn
horizon: HORIZON
parties:
  a: {patience: 0.8, acuity: inf, stakes: 1}
  b: {patience: 0.8, acuity: inf, stakes: 1}
stocks: {x: {start: 0.5, next: "sqrt(max(0, x*(1 - a.value)*(1 - b.value)))", range: [0.01, 1]}}
moves: {a: {range: [0.4, 0.8], steps: 41}, b: {range: [0.4, 0.8], steps: 41}}
interests:
  a: {fish: "paid*log(x*a.value)"}
  b: {fish: "paid*log(x*(1 - a.value)*b.value)"}
"""
    return Case(text + DEAL, {"a": float(first), "b": float(second)})


def broken_deal() -> Case:
    """A stock grows towards 1 in force and decays after a breach, whose hazard h is known.

    Broken it is worth c x, c = 1/(1 - δ(1 - d)); in force a x + b with
    a = 1 + δ(1 - k)((1 - h)a + hc) and b = δ(1 - h)b + δk((1 - h)a + hc): geometric mixtures.
    """
    d, k, fall, h, x = 0.95, 0.08, 0.12, 0.05, 0.3
    c = 1 / (1 - d * (1 - fall))
    a = (1 + d * (1 - k) * h * c) / (1 - d * (1 - k) * (1 - h))
    b = d * k * ((1 - h) * a + h * c) / (1 - d * (1 - h))
    text = """
title: What decays after the deal
horizon: HORIZON
parties: {a: {patience: 0.95, acuity: inf}}
stocks: {x: {start: 0.3, next: x + 0.08*(1 - x) if in_force else 0.88*x}}
moves: {a: [keep, cheat]}
interests: {a: {pay: x - 9*a.cheat}}
obligations: {stay: {party: a, never: cheat, false_alarm: 0.05}}
"""
    return Case(text + DEAL, {"a": a * x + b - c * x})


def through_zero(patience: float) -> Case:
    """What the deal pays drifts from -0.3 through zero to 1: its sign turns on patience."""
    course = np.minimum(1, -0.3 + 0.02 * PERIODS)
    text = f"""
title: Through zero
horizon: HORIZON
parties: {{a: {{patience: {patience}}}}}
stocks: {{x: {{start: -0.3, next: x + 0.02, range: [-1, 1]}}}}
interests: {{a: {{pay: x*paid}}}}
"""
    discount = patience**PERIODS
    return Case(text + DEAL, {"a": float(discount @ course)})


def front() -> Case:
    """A front moves by the balance of two powers that run down; iterated by hand.

    The balance 0.9·0.99ᵗ - 0.97ᵗ is below zero for four periods and above it after that, so that
    the front gives way, turns, and comes to its bound.
    """
    p, q, f, total = 0.9, 1.0, 0.5, 0.0
    for t in PERIODS:
        total += 0.95**t * f
        p, q, f = 0.99 * p, 0.97 * q, min(1.0, max(0.0, f + 0.1 * (p - q)))
    text = """
title: A front
horizon: HORIZON
parties: {a: {patience: 0.95}}
stocks:
  ours: {start: 0.9, next: 0.99*ours}
  theirs: {start: 1, next: 0.97*theirs}
  front: {start: 0.5, next: front + 0.1*(ours - theirs)}
interests: {a: {land: paid*front}}
"""
    return Case(text + DEAL, {"a": float(total)})


CASES: dict[str, Case] = {
    "drift to a bound": drift(),
    "geometric approach": approach(),
    "logistic growth": beverton_holt(),
    "stopping": stopping(),
    "stopping, usual stakes": stopping_at_usual_stakes(),
    "stopping, with a coin": stopping_with_a_coin(),
    "Riccati": riccati(),
    "a shock": shocked(),
    "fish war": fish_war(),
    "decay after a breach": broken_deal(),
    "through zero, from below": through_zero(0.92),
    "through zero, from above": through_zero(0.95),
    "a front": front(),
}
