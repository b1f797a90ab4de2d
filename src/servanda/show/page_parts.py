"""Parts that pages of answers share: the foot, and figures with the digits their error supports."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from servanda.game.errors import Estimate
from servanda.show.figures import (
    TWICE,
    UNSURE,
    band,
    between,
    count,
    decimals,
    estimated,
    estimated_chance,
    figure,
    percent,
    percent_between,
)
from servanda.show.marks import clean, in_words
from servanda.show.page import Block, Heading, Paragraph

if TYPE_CHECKING:  # for readers and type checkers: this room does not need that one to run
    from servanda.questions.answer import Origin


def title(origin: Origin, line: str) -> list[Block]:
    """The scenario's title, and the answer in one sentence."""
    return [Paragraph(clean(origin.title, 200), "bold", 0), Paragraph(line, indent=0)]


def spread_cell(modal: float, over: ArrayLike, weight: ArrayLike, error: float) -> str:
    """A figure at the central case and where 8 of 10 worlds have it: "+2 (+1 to +3)"."""
    low, _, high = band(over, weight)
    places = decimals(error, modal, low, high)
    here = figure(modal, error, places=places)
    if np.size(over) < 2:
        return here
    return f"{here} ({between(low, high, places=places)})"


def chance_cell(modal: float, over: ArrayLike, weight: ArrayLike, error: float) -> str:
    """The same of a probability: "40 % (12–60 %)"."""
    low, _, high = band(over, weight)
    here = percent(modal, error)
    if np.size(over) < 2:
        return here
    return f"{here} ({percent_between(low, high, error)})"


def mean_cell(mean: Estimate, over: ArrayLike, weight: ArrayLike) -> str:
    """A figure over worlds and where 8 of 10 worlds have it: "+2 (+1 to +3)"."""
    low, _, high = band(over, weight)
    places = decimals(TWICE * mean.error, mean.value, low, high)
    here = estimated(mean, places=places)
    return here if np.size(over) < 2 else f"{here} ({between(low, high, places=places)})"


def mean_chance(mean: Estimate, over: ArrayLike, weight: ArrayLike) -> str:
    """The same of a probability: "40 % (12–60 %)"."""
    low, _, high = band(over, weight)
    here = estimated_chance(mean)
    return here if np.size(over) < 2 else f"{here} ({percent_between(low, high)})"


def listed(names: list[str], none: str = "none") -> str:
    """Names as in a sentence: "a, b and c"."""
    words = [in_words(n) for n in names]
    if not words:
        return none
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def foot(origin: Origin, *lines: str) -> list[Block]:
    """How to read the page: what worlds are, the grid and its error, where it comes from."""
    said = [
        f"A world is one draw of all uncertain numbers and rival readings: "
        f"{count(origin.worlds, 'world')}, seed {origin.seed}. The central case has every number "
        "at its likeliest."
    ]
    if 1 < origin.worlds < 16:
        said.append(f"With only {origin.worlds} worlds, shares and bands are rough.")
    said += lines
    if not origin.levels:
        said.append("No stocks: figures are exact, without a grid or sampled paths.")
    elif origin.errors:
        grid = f"Every world has its own randomly shifted grid of {_times(origin.levels)} points "
        grid += f"and {origin.paths} paths"
        if origin.finer:
            grid += f"; what grids lean by is measured on {_times(origin.finer)} points"
        said.append(f"{grid}. Digits go by twice a figure's standard error, worlds and grids.")
    else:
        grid = f"Grid of {' × '.join(map(str, origin.levels))} points, {origin.paths} paths."
        worst = [e for n, e in origin.grid_error.items() if ".survival." in f".{n}"]
        if worst and math.isfinite(max(worst)):
            grid += f" Survival may be off by up to {percent(max(worst))} because of the grid."
        said.append(grid)
    said.append(f"{UNSURE} after a figure: sign uncertain, its error could turn it.")
    said.append(f"Servanda {origin.version}, scenario {clean(origin.hash)[:12]}.")
    return [Heading("How to read this"), *(Paragraph(line, "dim", hang=2) for line in said)]


def _times(levels: tuple[int, ...]) -> str:
    return " × ".join(map(str, levels))
