"""Which option wins when every pair of options is contested: the probabilistic Condorcet election.

In come coalition strengths; out comes the probability of every option. Three models, named as in
KTAB (Wise, Lester, Efird 2015, "Multidimensional Bargaining Using KTAB" and "Markov Voting with
Incentives in KTAB"): `conditional` (the option that beats all others, given that there is one),
`markov-uniform` (challengers of the incumbent are drawn evenly) and `markov-incentive` (drawn in
proportion to the support that a challenge would find).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from servanda.errors import QuestionError, unknown
from servanda.tables.spatial.voting import victory

ELECTIONS: Final = ("conditional", "markov-uniform", "markov-incentive")
_LEAST_INCENTIVE: Final = 1e-10  # of an incumbent to challenge itself (KTAB)


def condorcet(
    strength: Float[np.ndarray, "*run option option"],
    *,
    model: str = "markov-incentive",
    victories: str = "linear",
    present: Bool[np.ndarray, "*run option"] | None = None,
) -> Float[np.ndarray, "*run option"]:
    """The probability of every option; they sum to one.

    `present` says which options there are (the first must be); others get zero.

    - conditional: p_i ∝ Π_j P_ij
    - markov-uniform: p_i = (1/n) Σ_j P_ij (p_i + p_j)
    - markov-incentive: p_i = Σ_j P_ij (p_i h_ji + p_j h_ij), where h_ij, the probability that i
      challenges the incumbent j, is c_ij P_ij (+ 1e-10 if i = j) over its sum over i

    The chains are solved exactly by elimination (Grassmann, Taksar and Heyman 1985), not iterated;
    KTAB stops iterating at a change of 1e-6 (uniform) or 1e-8 (incentive).

    Raises QuestionError for an unknown model, strengths that are no square of numbers from 0 on,
    or if no option can beat all others (`conditional`, cycles of certain victories).
    """
    if model not in ELECTIONS:
        raise unknown("election", model, ELECTIONS)
    c = np.asarray(strength, dtype=float)
    if c.ndim < 2 or c.shape[-1] != c.shape[-2] or c.shape[-1] == 0:
        raise QuestionError("coalition strengths are a square: options against options")
    if not (np.isfinite(c).all() and (c >= 0).all()):
        raise QuestionError("coalition strengths are numbers from 0 on")
    there = np.ones(c.shape[:-1], dtype=bool) if present is None else present
    p = victory(c, victories)
    if model == "conditional":
        return _conditional(p, there)
    if model == "markov-uniform":
        challenge = there[..., :, None] / there.sum(-1)[..., None, None]
        challenge = np.broadcast_to(challenge, p.shape)
    else:
        at = np.arange(p.shape[-1])
        incentive = c * p
        incentive[..., at, at] += _LEAST_INCENTIVE
        incentive = np.where(there[..., :, None], incentive, 0.0)
        challenge = incentive / np.maximum(incentive.sum(-2, keepdims=True), 1e-300)
    # from incumbent j to challenger i with probability h_ij P_ij; a missing option gives way
    rate = np.swapaxes(challenge * p, -1, -2) * there[..., :, None]
    rate[..., 0] = np.where(there, rate[..., 0], 1.0)
    return stationary(rate) * there


def _conditional(
    p: Float[np.ndarray, "*run option option"], there: Bool[np.ndarray, "*run option"]
) -> Float[np.ndarray, "*run option"]:
    with np.errstate(divide="ignore"):
        logs = np.log(np.where(there[..., None, :], p, 1.0)).sum(-1)
    logs = np.where(there, logs, -np.inf)
    best = logs.max(-1, keepdims=True)
    if not np.isfinite(best).all():
        raise QuestionError(
            "no option can beat all others, so the conditional election has no answer; "
            "use markov-uniform or markov-incentive"
        )
    odds = np.exp(logs - best)
    result: np.ndarray = odds / odds.sum(-1, keepdims=True)
    return result


def stationary(rate: Float[np.ndarray, "*run state state"]) -> Float[np.ndarray, "*run state"]:
    """The long-run shares of the states of a chain that moves from i to j at `rate`_ij.

    Elimination of one state after another without a subtraction, so that every entry is accurate
    to a few units of the last digit, however rare the moves. The diagonal is ignored. Where the
    chain falls apart the answer is its limit from an even start.
    """
    q = np.array(rate, dtype=float)
    states = q.shape[-1]
    at = np.arange(states)
    q[..., at, at] = 0.0
    whole = q.copy()
    leaving = np.ones(q.shape[:-1])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for n in range(states - 1, 0, -1):
            leaving[..., n] = q[..., n, :n].sum(-1)
            q[..., :n, n] /= leaving[..., n, None]
            q[..., :n, :n] += q[..., :n, n, None] * q[..., n, None, :n]
        share = np.zeros(q.shape[:-1])
        share[..., 0] = 1.0
        for n in range(1, states):
            share[..., n] = (share[..., :n] * q[..., :n, n]).sum(-1)
        share /= share.sum(-1, keepdims=True)
    apart = ~np.isfinite(share).all(-1)
    if apart.any():
        share[apart] = _limit(whole[apart])
    return share


def _limit(rate: Float[np.ndarray, "run state state"]) -> Float[np.ndarray, "run state"]:
    """The limit of a chain from an even start, by squaring its one-step matrix."""
    states = rate.shape[-1]
    step = rate / (2 * np.maximum(rate.sum(-1).max(-1), 1e-300))[:, None, None]
    at = np.arange(states)
    step[:, at, at] = 1 - step.sum(-1)
    for _ in range(100):
        step = step @ step
        step /= step.sum(-1, keepdims=True)
    result: np.ndarray = step.mean(-2)
    return result
