"""What has no finite value is refused, with the name of the formula."""

from __future__ import annotations

import jax
import pytest

import servanda as sv

jax.config.update("jax_enable_x64", True)

SMALL = """
title: x
horizon: 4
terminal: zero
parties:
  a: {patience: 0.6, acuity: 4}
  b: {patience: 0.8, acuity: 3}
stocks:
  water: {start: 0.5, next: water + 0.1*a.hit}
moves: {a: [calm, hit], b: [calm, hit]}
interests:
  a: {gain: a.hit - 1.5*b.hit}
  b: {gain: 0.8*b.hit - 1.2*a.hit + water}
proposals:
  p: {signatories: [a, b]}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("gain: a.hit -", "gain: 1/(water - 0.5)*a.hit -", "interests.a.gain has no finite value"),
        ("+ water}", "+ log(water)}", "the stakes of b are without bound: interests.b.gain"),
        ("+ water}", "+ exp(2000*water)}", "the stakes of b are without bound"),
        ("water + 0.1*a.hit", '"log(water - 1)"', "stocks.water has no finite value"),
        ("gain: a.hit -", "gain: log(0)*a.hit -", "interests.a.gain has no finite value where"),
    ],
)
def test_the_formula_is_named(old: str, new: str, said: str) -> None:
    assert old in SMALL
    with pytest.raises(sv.QuestionError, match=r"no finite value|without bound") as refusal:
        sv.assess(sv.load(SMALL.replace(old, new)), "p", worlds=2)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_assumption_that_the_formula_reads_is_named_with_its_value() -> None:
    """A number that is below 0 in some worlds only, by way of a `let`."""
    text = SMALL.replace("+ water}", "+ log(bite)}").replace("gain: 0.8", "gain: 0.8*0.5")
    text += "let: {bite: 2*harm}\nassumptions: {harm: [-0.4, 0.3, 0.6], other: [0, 1, 2]}\n"
    text = text.replace("a.hit - 1.5", "other*a.hit - 1.5")
    with pytest.raises(sv.QuestionError, match="no finite value") as refusal:
        sv.assess(sv.load(text), "p", worlds=16)
    assert "interests.b.gain" in str(refusal.value)
    assert "harm = -0." in str(refusal.value)
    assert "other" not in str(refusal.value)


def test_stakes_by_hand_make_an_unreachable_corner_harmless() -> None:
    text = SMALL.replace("+ water}", "+ log(water)}").replace(
        "b: {patience: 0.8", "b: {stakes: 2, patience: 0.8"
    )
    assert sv.assess(sv.load(text), "p", worlds=2).joint_modal > 0


def test_too_many_phases_are_refused_before_they_are_counted_out() -> None:
    phases = "".join(f"  p{k}: {{values: [u, v, w, x], start: u}}\n" for k in range(12))
    with pytest.raises(sv.QuestionError, match="16,777,216 combinations"):
        sv.assess(sv.load(SMALL + "phases:\n" + phases), "p", worlds=1)
