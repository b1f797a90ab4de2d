"""How strongly do actors support one option against another, and who then wins a contest?

In come utilities of options to actors; out come votes, the strengths of the two coalitions of every
pair of options, and the probability that one beats the other. The names of the rules are those of
the KAPSARC Toolkit for Behavioral Analysis (KTAB); the formulas are in docs/spatial.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float

from servanda.errors import unknown

LEAST_COALITION: Final = 1e-8
"""What every coalition has from the start, so that no contest is between two empty ones (KTAB)."""

_BINARY_WIDTH: Final = 1e-8  # a smaller difference of utility is voted on in proportion (KTAB)
_BINARY_VICTORY: Final = 1.10  # so much stronger wins for certain (KTAB)
_BINARY_UPSET: Final = 1e-6


def _binary(du: np.ndarray) -> np.ndarray:
    return np.clip(du / _BINARY_WIDTH, -1.0, 1.0)


VOTING: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "binary": _binary,
    "prop-binary": lambda du: 0.8 * du + 0.2 * _binary(du),
    "proportional": lambda du: du,
    "prop-cubic": lambda du: du * (0.5 + 0.5 * du * du),
    "cubic": lambda du: du * du * du,
    "asymmetric": lambda du: np.where(du > 0, du * (2 / 3), du),
}
"""Voting rules: from the difference of utility to the share of an actor's weight that it spends."""


def response(rule: str, du: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """The vote per unit of weight for a difference of utility `du`; negative: against.

    Raises QuestionError for a rule that is not in `VOTING`.
    """
    if rule not in VOTING:
        raise unknown("voting rule", rule, VOTING)
    return VOTING[rule](du)


def coalition_strengths(
    utility: Float[np.ndarray, "*run actor option"],
    weight: Float[np.ndarray, "*run actor"],
    rule: str = "proportional",
) -> Float[np.ndarray, "*run option option"]:
    """The strength of the coalition for option i against option j, in units of weight.

    c_ij = 1e-8 + Σ_k max(v_k(i:j), 0), with v_k(i:j) = w_k r(u_ki − u_kj). As in KTAB every pair
    is voted on once, the later option against the earlier; only under `asymmetric` it matters.
    """
    u = np.moveaxis(utility, -1, -2)  # option, actor
    options = u.shape[-2]
    strength = np.full((*u.shape[:-2], options, options), LEAST_COALITION)
    for i in range(1, options):  # one row of pairs at a time keeps memory linear in actors
        votes = response(rule, u[..., i : i + 1, :] - u[..., :i, :]) * weight[..., None, :]
        strength[..., i, :i] += np.maximum(votes, 0).sum(-1)
        strength[..., :i, i] += np.maximum(-votes, 0).sum(-1)
    return strength


def support(
    utility: Float[np.ndarray, "*run option"], weight: Float[np.ndarray, "*run"], rule: str
) -> Float[np.ndarray, "*run option option"]:
    """What one actor alone adds to the strength of every option against every other."""
    du = utility[..., :, None] - utility[..., None, :]
    later = np.tril(weight[..., None, None] * response(rule, du), -1)
    found: np.ndarray = np.maximum(later, 0) + np.swapaxes(np.maximum(-later, 0), -1, -2)
    return found


VICTORY: Final = ("linear", "square", "quartic", "octic", "binary")
"""Victory models: the power to which strengths are raised; `binary` is a step with a slope."""

_SQUARINGS: Final = {"square": 1, "quartic": 2, "octic": 3}


def victory(
    strength: Float[np.ndarray, "*run option option"], model: str = "linear"
) -> Float[np.ndarray, "*run option option"]:
    """The probability that option i beats option j; one half on the diagonal.

    P_ij = c_ij^m / (c_ij^m + c_ji^m), m = 1, 2, 4 or 8. Under `binary` an advantage of 10 % or more
    decides, and in between P is linear in c_ij / (c_ij + c_ji).

    Raises QuestionError for an unknown model; a pair of which both are zero gets one half.
    """
    if model not in VICTORY:
        raise unknown("victory model", model, VICTORY)
    mine, theirs = strength, np.swapaxes(strength, -1, -2)
    total = mine + theirs
    share = np.divide(mine, total, out=np.full_like(mine, 0.5), where=total > 0)
    if model == "binary":
        t = _BINARY_VICTORY
        p = (share * (t + 1) - 1) / (t - 1)
        sure = 1 / (1 + _BINARY_UPSET)
        p = np.where(p >= 1 - 1e-12, sure, np.where(p <= 1e-12, 1 - sure, p))
    elif model == "linear":
        p = share
    else:
        # from the smaller share, so that no power overflows and P_ij + P_ji = 1 exactly
        small = np.minimum(share, 1 - share)
        odds = small / (1 - small)
        for _ in range(_SQUARINGS[model]):
            odds *= odds
        low = odds / (1 + odds)
        p = np.where(share <= 0.5, low, 1 - low)
    at = np.arange(p.shape[-1])
    p[..., at, at] = 0.5
    return p
