"""The closed forms' scenario files, read with other numbers than those they stand with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

import servanda as sv
from servanda.scenario.model import Scenario
from servanda.scenario.worlds import Worlds

HERE = Path(__file__).parent


def read(name: str, **lines: str | int) -> Scenario:
    """A file of this folder; `steps=11` puts 11 wherever the file says `steps: ...`."""
    text = (HERE / f"{name}.yaml").read_text(encoding="utf-8")
    for key, value in lines.items():
        before, *rest = text.split(f"{key}: ")
        ends = [min(part.find(c) for c in ",\n}" if c in part) for part in rest]
        text = before + "".join(f"{key}: {value}{p[e:]}" for p, e in zip(rest, ends, strict=True))
    return sv.load(text)


def worlds(scenario: Scenario, **columns: float | list[float]) -> Worlds:
    """Worlds that differ from the modal one in the named assumptions; lists make several."""
    modal = sv.modal(scenario)
    count = max(np.size(x) for x in columns.values())
    values = np.repeat(modal.values, count, axis=0)
    for name, column in columns.items():
        values[:, modal.names.index(name)] = column
    even = np.full(count, 1 / count)
    return replace(modal, values=values, weight=even, share=even)
