"""The life of agreements in random games without stocks, against a second solver."""

from __future__ import annotations

import random

import jax
import numpy as np
import pytest

import servanda as sv
from game.histories import Histories

jax.config.update("jax_enable_x64", True)


def random_agreement(seed: int, fading: bool = False) -> str:
    """A scenario in which deals may end and follow one another in every way there is.

    With `fading`, refusals, renewals declined and breaches may be forgotten.
    """
    rng = random.Random(seed)
    memory = random.Random(seed)  # of its own, so that the rest is the same without it

    def n(low: float = -1.5, high: float = 1.5) -> float:
        return round(rng.uniform(low, high), 2)

    def maybe(chance: float, text: str) -> str:
        return text if rng.random() < chance else ""

    def length(chance: float) -> str:
        forgets = fading and memory.random() < chance
        return f", remembered: {memory.uniform(1, 4):.2f}" if forgets else ""

    def remembered(renews: bool) -> str:
        if not fading or memory.random() < 0.3:
            return length(1.0)
        matters = ["refusal", "breach", *(["renewal"] if renews else [])]
        lengths = ", ".join(f"{m}: {memory.uniform(1, 4):.2f}" for m in matters)
        return f", remembered: {{{lengths}}}"

    parties = ["a", "b", "c"][: rng.choice([2, 2, 3])]
    lines = [f"title: random agreement {seed}", f"horizon: {rng.choice([3, 4, 5])}"]
    lines += ["terminal: zero", "parties:"]
    for p in parties:
        lines.append(f"  {p}: {{patience: {n(0, 1)}, acuity: {n(0, 6)}, stakes: {n(0.5, 2)}}}")
    lines.append("phases:")
    lines.append(
        f"  mood: {{values: [calm, angry], start: {rng.choice(['calm', 'angry'])}, next: "
        f"{{calm: {n(0, 0.4)} + {n(0, 0.5)}*in_force, "
        f"angry: {n(0, 0.3)}*a.x + 0.1*breach.first + 0.2*broken.second}}}}"
    )
    lines.append("moves:")
    options = {}
    for p in parties:
        names = ["x", "y", "z"][: rng.choice([2, 2, 3])]
        options[p] = [f"{p}.{name}" for name in names]
        text = f"[{', '.join(names)}]"
        if rng.random() < 0.3:
            text = f"{{options: {text}, when: mood.calm or in_force}}"
        lines.append(f"  {p}: {text}")
    if rng.random() < 0.3:
        lines.append(f"order: [[{parties[-1]}, a]{', b' if len(parties) == 3 else ''}]")
    moves = [name for own in options.values() for name in own]
    lines.append("interests:")
    for p in parties:
        terms = [f"{n()}*{name}" for name in (*moves, "aid", "broken.first", "expired")]
        terms += [f"{n()}*{rng.choice(moves)}*{rng.choice(moves)}", f"{n()}*land*in_force"]
        terms += [f"{n()}*refused_by.{rng.choice(parties)}", f"0.1*period*{rng.choice(moves)}"]
        terms += [f"{n()}*breach.{o}" for o in ("first", "second", "third")]
        terms += [f"{n()}*mood.calm*{rng.choice(moves)}"]
        lines.append(f'  {p}: {{all: "{" + ".join(terms)}"}}')
    after = ("lapses", "stays", "reverses")
    lines.append("terms:")
    lines.append(f"  aid: {{range: [0, 3], now: {n(0, 1)}, after: {rng.choice(after)}}}")
    lines.append(f"  land: {{range: [0, 3], now: 0, after: {rng.choice(after)}}}")
    lines.append("obligations:")
    for name in ("first", "second", "third"):
        p = rng.choice(parties)
        duty = f"never: {rng.choice(options[p])}"
        if rng.random() < 0.5:
            duty = f"must: {rng.choice(options[p])}" + maybe(0.6, f", by: {rng.randrange(4)}")
        duty += maybe(0.4, f', while: "aid - {n(0, 1.5)}"')
        if name == "third":
            duty += ", survives: true" + maybe(0.7, ", due: broken.first")
        else:
            duty += maybe(0.4, ", survives: true")
        lines.append(
            f"  {name}: {{party: {p}, {duty}, verified: {n(0.2, 1)}, "
            f"false_alarm: {n(0, 0.15)}, tolerance: {rng.choice([0, 0, 1, 2])}"
            f"{length(0.4)}}}"
        )
    lines.append("proposals:")
    for name, otherwise in (("deal", maybe(0.6, ", otherwise: other")), ("other", "")):
        opens = rng.randrange(2)
        schedules = [
            f"{term}: [{', '.join(str(n(0, 3)) for _ in range(rng.choice([1, 2, 3])))}]"
            for term in ("aid", "land")[: rng.choice([1, 2])]
        ]
        signatories = rng.sample(parties, rng.choice([1, 2, len(parties)]))
        text = f"signatories: [{', '.join(signatories)}], terms: {{{', '.join(schedules)}}}"
        text += f", open: [{opens}, {opens + rng.randrange(2)}]{otherwise}"
        renewal = rng.choice(["none", "automatic", "all_sign"])
        text += maybe(0.6, f", lasts: {rng.choice([1, 2, 3])}, renew: {renewal}")
        text += remembered("renew: all_sign" in text)
        text += maybe(0.3, ", reopens: true") + maybe(0.3, ", obligations: [first, third]")
        lines.append(f"  {name}: {{{text}}}")
    return "\n".join(lines) + "\n"


def agree(text: str) -> None:
    """Both solvers find the same values and signatures."""
    scenario = sv.load(text)
    found, second = sv.solve(scenario, "deal"), Histories(scenario)
    signed, no_deal = second.worths("deal")
    np.testing.assert_allclose(found.value.sel(regime="signed").values[0], signed, atol=1e-8)
    np.testing.assert_allclose(found.joint.values[0], np.prod(second.accepting("deal")), atol=1e-8)
    np.testing.assert_allclose(found.value.sel(regime="no_deal").values[0], no_deal, atol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_values_and_signatures_are_those_of_a_solver_that_walks_histories(seed: int) -> None:
    agree(random_agreement(seed))


@pytest.mark.parametrize("seed", range(8, 20))
def test_so_are_they_where_blame_is_forgotten(seed: int) -> None:
    agree(random_agreement(seed, fading=True))
