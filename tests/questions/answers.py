"""A made-up answer, for tests of how answers are shown: nothing is solved here."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from servanda.game.errors import FAILS, HANGS, HOLDS, Estimate
from servanda.questions.assessment import (
    Added,
    Assessment,
    Breaker,
    Created,
    Sensitivity,
    Sham,
    Timing,
    Verdict,
)
from servanda.questions.holding import Holding
from servanda.questions.spread import Spread, spread

PARTIES = ("north", "south")
LABELS = {"north": "North", "south": "South (with its allies)"}


def est(value: float, error: float = 0.0) -> Estimate:
    """An estimate that leans nowhere."""
    return Estimate(value, error, value)


def verdict(party: str, worth: Spread, **changes: Any) -> Verdict:
    """A verdict of the given worth; `changes` replace its fields."""
    given: dict[str, Any] = {
        "party": party,
        "answer": "sign",
        "asked": True,
        "worth": worth,
        "mean": est(worth.modal, 0.01),
        "share": est(0.8, 0.02),
        "margin": worth.modal / 2,
        "condition": "",
        "reasons": (f"{LABELS[party]} gains",),
    }
    return Verdict(**(given | changes))


def labelled(values: Any, **coords: Any) -> xr.DataArray:
    """An array whose dimensions are the names of `coords`, in their order."""
    return xr.DataArray(np.asarray(values, dtype=float), dims=tuple(coords), coords=coords)


def made_up(
    worlds: int = 8, horizon: int = 48, chairs: tuple[str, ...] = PARTIES, **changes: Any
) -> Assessment:
    """An answer about two parties; `changes` replace its fields."""
    w = np.full(worlds, 1 / worlds)
    world, period = np.arange(worlds), np.arange(horizon + 1)
    party, signatory = list(PARTIES), list(PARTIES)
    slope = np.linspace(0.5, 1.5, worlds)
    kept = np.exp(-slope[:, None] * period / 20)
    broken = np.stack([0.7 * (1 - kept), 0.2 * (1 - kept)], axis=2)
    worth = np.stack([3.2 * slope, -1.07 * slope], axis=1)
    flow = np.stack([np.full(horizon, 0.1), np.linspace(-0.1, 0.05, horizon)], axis=1)
    interests = ["north.calm", "north.prestige_lost", "south.tribute"]
    accused = 0.1 * broken
    means = {"survival": kept, "unaccused": kept + accused.sum(axis=2), "expired": 0.1 * (1 - kept)}
    means |= {"accused": accused.sum(axis=2), "breaks": (broken - accused).sum(axis=2)}
    dates = sorted({t for t in (1, 4, 8, 16, 40, horizon) if t <= horizon})
    figures = {f"{n}.{t}": est(x[:, t].mean(), 0.01) for n, x in means.items() for t in dates}
    for i, p in enumerate(PARTIES):
        figures |= {f"worth.{p}": est(worth[:, i].mean(), (0.01, 0.015)[i])}
        figures |= {f"better.{p}": est(1.0 - i), f"signs.{p}": est((0.9, 0.6)[i], 0.01)}
    figures["signs.all"] = est(0.54, 0.01)
    spreads = {p: spread(worth[:, i].mean(), worth[:, i], w) for i, p in enumerate(PARTIES)}
    fields: dict[str, Any] = {
        "title": "A border truce",
        "period_name": "month",
        "deal": "short_truce",
        "offer": "Stop.",
        "chairs": chairs,
        "parties": PARTIES,
        "labels": LABELS,
        "exchange": "North does not raid; in return, South pays.",
        "verdicts": tuple(verdict(p, spreads[p]) for p in chairs),
        "worth": labelled(worth, world=world, party=party),
        "worth_modal": labelled(worth.mean(axis=0), party=party),
        "figures": figures,
        "futures": {HOLDS: 0.125, FAILS: 0.75, HANGS: 0.125},
        "interests": dict(zip(interests, map(est, (4.0, -0.8, -1.07)), strict=True)),
        "signing": labelled(np.full((worlds, 2), [0.9, 0.6]), world=world, signatory=signatory),
        "joint": labelled(np.full(worlds, 0.54), world=world),
        "signing_modal": labelled([0.9, 0.6], signatory=signatory),
        "joint_modal": 0.54,
        "survival": labelled(kept, world=world, period=period),
        "survival_modal": labelled(np.exp(-period / 20), period=period),
        "unaccused": labelled(kept + accused.sum(axis=2), world=world, period=period),
        "expired": labelled(0.1 * (1 - kept), world=world, period=period),
        "broken": labelled(broken, world=world, period=period, obligation=["no_raid", "pay"]),
        "accused": labelled(accused, world=world, period=period, obligation=["no_raid", "pay"]),
        "breakers": (
            Breaker(
                "north",
                "no_raid",
                "North does not raid",
                est(0.6),
                est(0.07),
                (0.3, 0.7),
                11.3,
                0.01,
            ),
            Breaker("south", "pay", "South pays", est(0.001), est(0.0), (0.0, 0.002), np.nan),
        ),
        "shams": (Sham("north", est(3.2, 0.01), est(-1.1, 0.1), est(1.0)),),
        "created": Created("north", ("north.raid",), {"south": est(2.0, 0.1)}),
        "flow_difference": labelled(flow, period=np.arange(horizon), party=party),
        "timing": (
            Timing("north", est(0.3), est(1.0), est(0.4)),
            Timing("south", est(-0.2), est(0.1), est(-2.0)),
        ),
        "terms": (
            Added("watch", "north", est(2.1), est(2.0)),
            Added("watch", "south", est(0.6), est(0.5)),
            Added("tribute", "north", est(1.1), est(1.0)),
            Added("tribute", "south", est(-1.6), est(-1.5)),
        ),
        "sensitivities": (
            Sensitivity("north", "greed", (0.5, 1.0), (3.6, 2.7), est(-0.9, 0.1)),
            Sensitivity("south", "pay.verified", (0.4, 0.8), (-1.2, -0.8), est(0.4, 0.1)),
        ),
        "holding": Holding("offer", "month", (), (), w),
        "weight": labelled(w, world=world),
        "stakes": {"north": 2.0, "south": 0.5},
        "notes": (),
        "otherwise": "never",
        "hash": "0" * 64,
        "seed": 3,
        "levels": (7, 7),
        "finer_levels": (14, 14),
        "paths": 64,
        "solves": f"1 solve in each of {worlds} worlds",
    }
    return Assessment(**(fields | changes))
