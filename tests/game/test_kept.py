"""Is a program that was traced before the same program, and is a damaged one no obstacle?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from servanda.game import batch, kernel
from servanda.game.batch import Follow, Program, run
from servanda.game.paths import Course
from servanda.game.period import DEFAULT_SCHEME
from servanda.game.solve import prepare
from servanda.scenario.load import load
from servanda.scenario.worlds import Worlds

RIVER = """
title: two neighbours and a river
horizon: 6
parties:
  north: {patience: 0.9, acuity: 6}
  south: {patience: [0.8, 0.85, 0.9], acuity: 9}
stocks:
  water: {start: 0.6, next: water + 0.1 - 0.25 * south.divert}
moves:
  north: [rest, arm]
  south: [share, divert]
interests:
  north: {river: water - south.divert, cost: -0.2 * north.arm}
  south: {river: south.divert + 0.5 * (1 - water), shame: -0.5 * broken.share}
obligations:
  share: {party: south, never: [south.divert], verified: 0.7}
proposals:
  treaty: {text: share the river, proposer: north, signatories: [north, south]}
"""


def program(text: str = RIVER, levels: tuple[int, ...] = (5,)) -> tuple[Program, Worlds]:
    made, worlds = prepare(load(text), "treaty", None, (), levels, DEFAULT_SCHEME, False, 8)
    return replace(made, follow=(Follow(made.game.roots[0]["signed"]),)), worlds


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kernel.names(
        (3,), kernel.SLOPES
    )  # from the usual folder: XLA does not take the same kernel from two places
    monkeypatch.setenv("SERVANDA_CACHE", str(tmp_path))
    # as in a new process
    monkeypatch.setattr(batch, "_REACHING", batch._Shelf())
    monkeypatch.setattr(batch, "_COMPILED", batch._Shelf())
    return tmp_path / "programs"


def untraced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often a world is traced from now on."""
    calls: list[int] = []
    world = Program.world

    def counted(self, *arguments):
        calls.append(1)
        return world(self, *arguments)

    monkeypatch.setattr(Program, "world", counted)
    return calls


def test_a_kept_program_is_not_traced_again_and_says_the_same(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = untraced(monkeypatch)
    first = run(*program())
    assert len(calls) == 1
    again = run(*program())  # another object, the same program
    assert len(calls) == 1
    assert isinstance(again["course0"], Course)
    np.testing.assert_array_equal(first["value"], again["value"])
    np.testing.assert_array_equal(first["course0"].regime, again["course0"].regime)


@pytest.mark.parametrize(
    "other",
    [
        program(RIVER.replace("0.25", "0.26")),
        program(RIVER.replace("verified: 0.7", "verified: 0.8")),
        program(RIVER.replace("horizon: 6", "horizon: 7")),
        program(levels=(6,)),
    ],
    ids=["formula", "obligation", "horizon", "grid"],
)
def test_another_program_is_not_mistaken_for_it(
    other: tuple[Program, Worlds], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = untraced(monkeypatch)
    first = run(*program())
    second = run(*other)
    assert len(calls) == 2
    assert not np.array_equal(first["value"], second["value"])


@pytest.mark.parametrize("damage", [b"", b"not a program", None], ids=["empty", "text", "cut"])
def test_a_damaged_file_is_traced_afresh(
    damage: bytes | None, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(*program())
    for path in cache.iterdir():
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    monkeypatch.setattr(batch, "_REACHING", batch._Shelf())
    monkeypatch.setattr(batch, "_COMPILED", batch._Shelf())
    again = run(*program())
    np.testing.assert_array_equal(first["value"], again["value"])


def test_without_a_cache_nothing_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVANDA_CACHE", "off")
    run(*program())
    assert not cache.exists()
