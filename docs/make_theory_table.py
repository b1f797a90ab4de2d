"""Write docs/theory.md: how near the solver comes to results that are known in closed form.

    .venv/bin/python docs/make_theory_table.py

Solves the scenario files of tests/theory with coarser and finer numbers; takes about a minute.
"""

# ruff: noqa: E501 - the text is a page, as wide as the other pages

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

import servanda as sv

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from theory.cases import read, worlds  # noqa: E402

OFFERS = (11, 51, 101, 401)
SHARPNESS = (10.0, 100.0, 1e3, 1e4)

HEAD = """# Theory: results known in closed form

Each is a scenario file in [tests/theory](../tests/theory), solved like any other. This page is made by
`.venv/bin/python docs/make_theory_table.py`; `make test` checks the same numbers against bounds.

Two limits lie between the solver and a textbook. Parties choose by logit, with acuity λ (per unit of utility here:
`stakes: 1`), where the textbook lets them take the best option however small its lead. And an offer is one of a number of
steps, where the textbook has a continuum. Both errors must shrink as λ and the number of steps grow.
"""


def row(*cells: object) -> str:
    return "| " + " | ".join(str(c) for c in cells) + " |"


def table(head: list[str], rows: list[list[object]]) -> str:
    return "\n".join([row(*head), "|" + "---|" * len(head), *(row(*r) for r in rows)])


def rubinstein() -> str:
    """The first proposer's share with patience (0.9, 0.8), for offers x acuity."""
    exact = 5 / 7
    rows: list[list[object]] = []
    for n in OFFERS:
        scenario = read("bargaining", steps=n)
        solution = sv.solve(scenario, worlds=worlds(scenario, sharpness=list(SHARPNESS)))
        share = solution.value.sel(regime="no_deal", party="a").values
        bounds = [1 / (n - 1) / (1 - 0.72) + math.log(n) / k for k in SHARPNESS]
        cells = [f"{x - exact:+.4f} ({b:.3f})" for x, b in zip(share, bounds, strict=True)]
        rows.append([n, *cells])
    head = ["offers", *(f"λ = {k:g}" for k in SHARPNESS)]
    return f"""## Alternating offers for ever (Rubinstein 1982)

A pie of 1; patience 0.9 and 0.8. The first proposer gets (1 − δ₂)/(1 − δ₁δ₂) = 5/7, at once. Error of its share, and in
brackets h/(1 − δ₁δ₂) + ln(offers)/λ, where h is the step between offers:

{table(head, rows)}

Below about λ = 100 noise rules: a finer grid of offers only gives more of them to choose by mistake. With few offers and
sharp choosers the steps rule: every offer is rounded to a step, and the rounding is carried back from every later offer. From 401 offers and λ = 1,000 on the error is below 1 % of the share.
"""


def stahl() -> str:
    """The same pie, lost after some periods."""
    rows: list[list[object]] = []
    for periods in (1, 2, 3):
        scenario = read("bargaining", horizon=periods, terminal="zero")
        chosen = worlds(scenario, sharpness=1e4, patience_a=0.7, patience_b=0.7)
        value = sv.solve(scenario, worlds=chosen).value.sel(regime="no_deal", party="a")
        exact = (1 - (-0.7) ** periods) / 1.7
        rows.append([periods, f"{exact:.2f}", f"{float(value[0]):.4f}"])
    return f"""## Alternating offers for a while (Ståhl 1972)

After T periods the pie is lost. Patience 0.7 for both; the first proposer gets (1 − (−δ)^T)/(1 + δ). 401 offers, λ = 10,000:

{table(["T", "exact", "solved"], rows)}
"""


def war() -> str:
    """Fearon's three results."""
    scenario = read("bargaining_range")
    signing: list[list[object]] = []
    for deal, proposal in scenario.proposals.items():
        found = sv.solve(scenario, deal).signing.sel(signatory=["a", "b"]).values[0]
        signing.append([f"{proposal.terms['share'][0]:.2f}", *(f"{x:.4f}" for x in found)])
    scenario = read("ultimatum")
    p, cost = [0.6, 0.3, 0.9], [0.2, 0.05, 0.2]
    play = sv.simulate(scenario, worlds=worlds(scenario, p=p, cost_b=cost))
    offers = [m for m in play.moves.move.values if m.startswith("a.offer")]
    modes = np.linspace(0, 1, 401)[play.moves.sel(period=0, move=offers).values.argmax(axis=1)]
    taken = [
        [x, c, f"{min(1, x + c):.2f}", f"{m:.4f}"] for x, c, m in zip(p, cost, modes, strict=True)
    ]
    scenario = read("preventive_war")
    p_now = [0.05, 0.15, 0.19, 0.21, 0.25, 0.5]
    attack = sv.simulate(scenario, worlds=worlds(scenario, p_now=p_now)).moves.sel(move="b.attack")
    shift = [
        [x, f"{0.36 - x:+.2f}", f"{float(attack[w, 0]):.4f}", f"{float(attack[w, 1:].max()):.4f}"]
        for w, x in enumerate(p_now)
    ]
    return f"""## Why states fight (Fearon 1995)

**The bargaining range.** A wins a war with probability 0.6; war costs A 0.1 and B 0.2. Both prefer a share for A in
[p − cA, p + cB] = [0.5, 0.8] to war. Probability of signing a given share, λ = 1,000:

{table(["A's share", "A signs", "B signs"], signing)}

**Take it or leave it.** A's best offer to itself is min(1, p + cB). Its most frequent offer, 401 offers, λ = 10,000:

{table(["p", "cB", "exact", "solved"], taken)}

A falls a step or two short of what would leave B indifferent: a chooser that is not infinitely sharp is not safely moved by
nothing.

**Preventive war.** A makes all offers and will be stronger from the second period on (p₂ = 0.6). B attacks in the first
period, and only then, if δp₂ − p₁ > cB(1 − δ)², the costs of war being once and for all. With δ = 0.6 and cB = 1 the
right-hand side is 0.16:

{table(["p₁", "δp₂ − p₁", "attack at once", "attack later"], shift)}

Offers fall short of the best by up to a step h, every period, so the threshold is known to about hδ/(1 − δ).
"""


def repeated() -> str:
    """What patience holds, and how long attrition lasts."""
    scenario = read("grim_trigger")
    drawn = sv.draw(scenario, 256, seed=1)
    kept = sv.simulate(scenario, worlds=drawn).moves.sel(period=0, move="me.cooperate").values > 0.5
    d = drawn.column("d")
    scenario = read("attrition")
    play = sv.simulate(scenario, worlds=worlds(scenario, sharpness=list(SHARPNESS)))
    quits = play.moves.sel(period=0, move="a.quit").values
    rows: list[list[object]] = [
        [f"{k:g}", f"{q:.5f}"] for k, q in zip(SHARPNESS, quits, strict=True)
    ]
    return f"""## Patience against a grim trigger

Payoffs 5, 3, 1, 0 (temptation, reward, punishment, sucker) against somebody who cooperates until betrayed and then never
again. Cooperation pays if δ ≥ (T − R)/(T − P) = 1/2. In 256 worlds with δ drawn between 0.2 and 0.8, the largest δ at which
the party defects is {d[~kept].max():.4f} and the smallest at which it cooperates {d[kept].min():.4f}.

The opponent is a phase of the game, not a chooser. Two choosers have other equilibria too, and the limit of finite
horizons, which the solver takes, is the one in which trust that rests only on an endless future unravels.

## War of attrition

Two parties stay, at a cost of 1 a period each, or quit; the last has a prize of 4. In the symmetric equilibrium each quits
with chance cost/prize = 0.25 a period. This is a simultaneous move: the branch of logit equilibria is followed from λ = 0.

{table(["λ", "quits"], rows)}

## Another solver

On random small games (up to three periods, three parties, three options; in turn and at once; phases that move for sure and
by chance; a deal with obligations), every information set is played as [Gambit](https://www.gambit-project.org) plays it, to
10⁻⁶: its agent logit equilibrium at λ = 1, of the tree with payoffs multiplied by λᵢ/sᵢ, at δ = 1 and `terminal: zero`. The
tree is written by the test itself (tests/peers). Two differences of principle remain. With δ < 1 Gambit would discount the noise
of later choices too, Servanda does not. And where a simultaneous move has several equilibria inside a longer game, Gambit
follows one branch for the whole tree, Servanda one for each simultaneous move, given what follows at full precision.

The life of an agreement (offers, refusals, phasing, dates, tolerance, breaches, what survives them, renewal, other offers, reopening) is
checked against a second solver of a few hundred lines, written from [the model](model.md) alone, which walks histories one by one
(tests/game/histories.py). In random games without stocks that mix all of these, values and signatures agree to 10⁻⁸.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, rubinstein(), stahl(), war(), repeated()])


if __name__ == "__main__":
    (HERE / "theory.md").write_text(page(), encoding="utf-8")
