"""A made-up answer, for tests of how answers are shown: nothing is solved here."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from servanda.questions.assessment import (
    Assessment,
    Breaker,
    Created,
    Sensitivity,
    Sham,
    Verdict,
)
from servanda.questions.riders import Riders
from servanda.questions.spread import Spread, spread

PARTIES = ("north", "south")
LABELS = {"north": "North", "south": "South (with its allies)"}


def verdict(party: str, worth: Spread, **changes: Any) -> Verdict:
    """A verdict of the given worth; `changes` replace its fields."""
    given: dict[str, Any] = {
        "party": party,
        "answer": "sign",
        "asked": True,
        "worth": worth,
        "share": 0.8,
        "margin": worth.median / 2,
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
    error = dict.fromkeys(("signs.all", "survival.4", "survival.40"), 0.01)
    error |= {"worth.north": 0.02, "worth.south": 0.03}
    spreads = {
        p: spread(worth[:, i].mean(), worth[:, i], w, error[f"worth.{p}"])
        for i, p in enumerate(PARTIES)
    }
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
        "worth_by_interest": labelled([4.0, -0.8, -1.07], interest=interests),
        "signing": labelled(np.full((worlds, 2), [0.9, 0.6]), world=world, signatory=signatory),
        "joint": labelled(np.full(worlds, 0.54), world=world),
        "signing_modal": labelled([0.9, 0.6], signatory=signatory),
        "joint_modal": 0.54,
        "survival": labelled(kept, world=world, period=period),
        "survival_modal": labelled(np.exp(-period / 20), period=period),
        "expired": labelled(0.1 * (1 - kept), world=world, period=period),
        "broken": labelled(broken, world=world, period=period, obligation=["no_raid", "pay"]),
        "breakers": (
            Breaker("north", "no_raid", "North does not raid", Spread(0.6, 0.6, 0.3, 0.7), 11.3),
            Breaker("south", "pay", "South pays", Spread(0.001, 0.001, 0.0, 0.002), np.nan),
        ),
        "shams": (Sham("north", 3.2, -1.1, True),),
        "created": Created("north", ("north.raid",), {"south": 2.0}),
        "flow_difference": labelled(flow, period=np.arange(horizon), party=party),
        "front_loading": {"north": 0.3, "south": -0.2},
        "exposure": {"north": 0.4, "south": -2.0},
        "riders": Riders(
            ("watch", "tribute"),
            PARTIES,
            np.array([[2.0, 0.5], [1.0, -1.5]]),
            np.array([[2.1, 0.6], [1.1, -1.6]]),
            np.zeros((2, 2)),
            np.zeros(2),
        ),
        "sensitivities": (
            Sensitivity("north", "greed", -2.0, -0.9),
            Sensitivity("south", "pay.verified", 1.0, 0.4),
        ),
        "weight": labelled(w, world=world),
        "stakes": {"north": 2.0, "south": 0.5},
        "grid_error": error,
        "notes": (),
        "otherwise": "never",
        "hash": "0" * 64,
        "seed": 3,
        "levels": (7, 7),
        "central_levels": (7, 7),
        "paths": 64,
        "solves": f"1 solve in each of {worlds} worlds",
    }
    return Assessment(**(fields | changes))
