"""How likely is each value of an uncertain number?

In comes a kind and its parameters, as a scenario file gives them; out go quantiles, the mode and
the support. `[low, mode, high]` is the PERT distribution: a beta on [low, high] with mean
(low + 4 mode + high) / 6 (Malcolm et al., Operations Research 7, 1959).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

Kind = Literal["fixed", "pert", "triangular", "uniform", "normal", "lognormal", "beta"]

# The parameters each kind must have; normal and lognormal may also be cut at low and high.
PARAMETERS: Final[dict[str, tuple[str, ...]]] = {
    "fixed": ("value",),
    "pert": ("low", "mode", "high"),
    "triangular": ("low", "mode", "high"),
    "uniform": ("low", "high"),
    "normal": ("mean", "sd"),
    "lognormal": ("median", "sigma"),
    "beta": ("a", "b"),
}

# Quantiles closer to 0 or 1 than this are not asked for: an endless tail has no last value.
TINY: Final = 2.0**-40


@dataclass(frozen=True)
class Distribution:
    """A number that is fixed or uncertain: a kind and its named parameters, in the unit of use."""

    kind: Kind
    params: dict[str, float]

    def __hash__(self) -> int:
        return hash((self.kind, tuple(sorted(self.params.items()))))

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to draw: one value, or bounds that coincide."""
        return self.kind == "fixed" or self.low == self.high

    @property
    def low(self) -> float:
        """The least possible value, -inf if there is none."""
        match self.kind:
            case "fixed":
                return self.params["value"]
            case "normal":
                return self.params.get("low", -math.inf)
            case "lognormal":
                return max(self.params.get("low", 0.0), 0.0)
            case "beta":
                return 0.0
            case _:
                return self.params["low"]

    @property
    def high(self) -> float:
        """The greatest possible value, inf if there is none."""
        match self.kind:
            case "fixed":
                return self.params["value"]
            case "normal" | "lognormal":
                return self.params.get("high", math.inf)
            case "beta":
                return 1.0
            case _:
                return self.params["high"]

    @property
    def mode(self) -> float:
        """The likeliest value; for a uniform the middle, for a beta with two peaks its mean."""
        p = self.params
        match self.kind:
            case "fixed":
                return p["value"]
            case "pert" | "triangular":
                return p["mode"]
            case "uniform":
                return 0.5 * (p["low"] + p["high"])
            case "normal":
                return min(max(p["mean"], self.low), self.high)
            case "lognormal":
                return min(max(p["median"] * math.exp(-(p["sigma"] ** 2)), self.low), self.high)
            case "beta":
                return _mode_of_beta(p["a"], p["b"])

    def ppf(self, u: Any) -> np.ndarray:
        """The quantile function: values at probabilities `u` (any shape, in [0, 1])."""
        u = np.clip(np.asarray(u, float), TINY, 1.0 - TINY)
        p = self.params
        if self.is_fixed:
            return np.full(u.shape, self.low)
        match self.kind:
            case "pert":
                return _pert(u, p["low"], p["mode"], p["high"])
            case "triangular":
                return _triangular(u, p["low"], p["mode"], p["high"])
            case "uniform":
                return p["low"] + u * (p["high"] - p["low"])
            case "normal":
                return _normal(u, p["mean"], p["sd"], self.low, self.high)
            case "lognormal":
                low, high = (math.log(x) if x > 0 else -math.inf for x in (self.low, self.high))
                return np.exp(_normal(u, math.log(p["median"]), p["sigma"], low, high))
            case _:
                return _beta(u, p["a"], p["b"])


def fixed(value: float) -> Distribution:
    """The distribution of a number that is known."""
    return Distribution("fixed", {"value": float(value)})


def fault(distribution: Distribution) -> str:
    """What is wrong with the parameters, as a sentence without its place; empty if nothing is."""
    p = distribution.params
    if any(not math.isfinite(x) for x in p.values()):
        return "every parameter must be a finite number"
    low, high = p.get("low"), p.get("high")
    if low is not None and high is not None and low > high:
        return f"low {low:g} exceeds high {high:g}"
    match distribution.kind:
        case "pert" | "triangular":
            if not p["low"] <= p["mode"] <= p["high"]:
                return f"the mode {p['mode']:g} must lie between low {low:g} and high {high:g}"
        case "normal":
            if p["sd"] <= 0:
                return "sd must be greater than 0"
            if _mass(p["mean"], p["sd"], distribution.low, distribution.high) < 1e-6:
                return "low and high leave out nearly all of the distribution"
        case "lognormal":
            if p["median"] <= 0 or p["sigma"] <= 0:
                return "median and sigma must be greater than 0"
            if p["sigma"] > 10:
                return "sigma is the standard deviation of the logarithm and may not exceed 10"
            if high is not None and high <= 0:
                return "high must be greater than 0"
            ends = (
                math.log(x) if x > 0 else -math.inf
                for x in (distribution.low, p.get("high", math.inf))
            )
            if _mass(math.log(p["median"]), p["sigma"], *ends) < 1e-6:
                return "low and high leave out nearly all of the distribution"
        case "beta":
            if not (0.05 <= p["a"] <= 1e5 and 0.05 <= p["b"] <= 1e5):
                return "a and b must lie between 0.05 and 100000"
        case _:
            pass
    return ""


# --- quantiles ------------------------------------------------------------------------------


def _pert(u: np.ndarray, low: float, mode: float, high: float) -> np.ndarray:
    a = 1.0 + 4.0 * (mode - low) / (high - low)
    return low + (high - low) * _beta(u, a, 6.0 - a)


def _beta(u: np.ndarray, a: float, b: float) -> np.ndarray:
    from scipy.special import betaincinv

    return np.asarray(betaincinv(a, b, u))


def _triangular(u: np.ndarray, low: float, mode: float, high: float) -> np.ndarray:
    peak = (mode - low) / (high - low)
    rising = low + np.sqrt(u * (high - low) * (mode - low))
    falling = high - np.sqrt((1.0 - u) * (high - low) * (high - mode))
    return np.where(u < peak, rising, falling)


def _normal(u: np.ndarray, mean: float, sd: float, low: float, high: float) -> np.ndarray:
    from scipy.special import ndtr, ndtri

    # Far in the upper tail 1 - p loses all digits, so the cut is made in the lower one.
    if low > mean:
        return 2.0 * mean - _normal(1.0 - u, mean, sd, 2.0 * mean - high, 2.0 * mean - low)
    start, end = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
    return np.clip(mean + sd * ndtri(start + u * (end - start)), low, high)


def _mass(mean: float, sd: float, low: float, high: float) -> float:
    """The probability of [low, high] under a normal distribution."""
    if low > mean:  # mirrored, because a small tail is only exact below the mean
        low, high = 2.0 * mean - high, 2.0 * mean - low
    start, end = (0.5 * math.erfc((mean - x) / (sd * math.sqrt(2.0))) for x in (low, high))
    return end - start


def _mode_of_beta(a: float, b: float) -> float:
    if a > 1.0 or b > 1.0:
        return min(max((a - 1.0) / (a + b - 2.0), 0.0), 1.0) if a + b > 2.0 else float(a > b)
    return a / (a + b)
