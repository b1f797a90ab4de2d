"""What `assess` reads off a game small enough to know the answer."""

from pathlib import Path

import numpy as np
import pytest

import servanda as sv
from servanda.questions.assessment import Assessment

TRUCE = """
title: A truce without stocks
horizon: 12
parties: {north: {patience: 0.9}, south: {patience: 0.9}}
assumptions: {harm: [0.2, 0.4, 0.6]}
moves: {north: [hold, raid]}
interests:
  north: {land: 0.3*north.raid - 0.35*watch*north.raid}
  south: {harm: -harm*north.raid}
terms: {watch: {levels: {none: 0, some: 1}}}
obligations: {no_raid: {party: north, never: raid, verified: 0.5}}
proposals:
  short: {signatories: [south, north], lasts: 3, otherwise: long, terms: {watch: some}}
  long: {signatories: [south, north], terms: {watch: some}}
"""


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    file = Path(tmp_path_factory.mktemp("case") / "scenario.yaml")
    file.write_text(TRUCE)
    return sv.assess(sv.load(file), "short", worlds=2)


def test_in_force_broken_and_run_out_add_up_to_one(short: Assessment) -> None:
    """Also where another deal comes on the table when this one runs out."""
    total = short.survival + short.broken.sum("obligation") + short.expired
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    assert float(short.expired.isel(period=-1).min()) > 0.1


def test_what_no_deal_means_is_said(short: Assessment) -> None:
    assert short.otherwise == "long"
