"""What every answer can do: say itself, draw itself, and be taken elsewhere as data.

An answer knows where it comes from (scenario, version, seed, grid) and how far its figures may be
off. How it reads and what its pictures show is said by each answer for itself.
"""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from servanda import __version__
from servanda.errors import unknown
from servanda.scenario.model import Scenario
from servanda.show.marks import Spec, short_names
from servanda.show.page import Block, as_text


@dataclass(frozen=True)
class Origin:
    """Where the figures of an answer come from, and how far the grid may put them off."""

    title: str
    period: str  # the unit of time
    labels: dict[str, str]  # party -> how it is called
    hash: str
    seed: int
    worlds: int
    levels: tuple[int, ...]
    paths: int  # 0: exact
    grid_error: dict[str, float] = field(default_factory=dict)  # of headlines of the central case
    errors: dict[str, float] = field(default_factory=dict)  # headline -> standard error over worlds
    finer: tuple[int, ...] = ()  # the grid that leans are measured on
    version: str = __version__

    @staticmethod
    def of(
        scenario: Scenario,
        *,
        seed: int,
        worlds: int,
        levels: tuple[int, ...],
        paths: int,
        grid_error: dict[str, float] | None = None,
        errors: dict[str, float] | None = None,
        finer: tuple[int, ...] = (),
    ) -> Origin:
        """The origin of figures of a scenario."""
        return Origin(
            title=scenario.title,
            period=scenario.period,
            labels={name: p.label or name for name, p in scenario.parties.items()},
            hash=scenario.hash,
            seed=seed,
            worlds=worlds,
            levels=levels,
            paths=paths if scenario.stocks else 0,
            grid_error=grid_error or {},
            errors=errors or {},
            finer=finer,
        )

    @property
    def names(self) -> dict[str, str]:
        """Short names of the parties, for tables."""
        return short_names(self.labels)


class Page(ABC):
    """What is shown as a page, drawn, and written as data.

    `PICTURES` names what it can draw, the usual one first.
    """

    PICTURES: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def blocks(self) -> list[Block]:
        """The answer as a page for people."""

    @abstractmethod
    def picture(self, what: str) -> Spec:
        """One of `PICTURES` as a Vega-Lite specification."""

    @abstractmethod
    def to_dataframe(self) -> Any:
        """The main figures as a pandas DataFrame."""

    def to_json(self) -> str:
        """The whole answer as JSON, figures with 6 digits."""
        return json.dumps(plain(self), indent=2, ensure_ascii=False)

    def plot(self, what: str | None = None, path: str | os.PathLike[str] | None = None) -> Spec:
        """A chart as a Vega-Lite specification, saved too if `path` (.svg, .png, .json) is given.

        Raises QuestionError for an unknown picture.
        """
        from servanda.show.render import save

        what = what or self.PICTURES[0]
        if what not in self.PICTURES:
            raise unknown("picture", what, self.PICTURES)
        spec = self.picture(what)
        if path is not None:
            save(spec, path)
        return spec

    def _repr_html_(self) -> str:
        from servanda.show.render import to_svg

        return to_svg(self.picture(self.PICTURES[0]))

    def text(self, width: int = 80, *, ascii_only: bool = False) -> str:
        """The page as a string of lines at most `width` wide."""
        return as_text(self.blocks(), width, ascii_only=ascii_only)

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True)
class Answer(Page):
    """The answer to a question that says where it comes from."""

    origin: Origin


def plain(x: Any) -> Any:
    """Dataclasses and arrays as plain JSON values; what is not a number becomes null."""
    if isinstance(x, xr.DataArray):
        coords = {str(k): plain(v.values) for k, v in x.coords.items() if v.ndim == 1}
        return {"dims": list(map(str, x.dims)), "coords": coords, "values": plain(x.values)}
    if isinstance(x, np.ndarray):
        return [plain(v) for v in x.tolist()] if x.ndim else plain(x.item())
    if isinstance(x, (float, np.floating)):
        return float(f"{float(x):.6g}") if math.isfinite(x) else None
    if isinstance(x, (np.integer, np.bool_)):
        return x.item()
    if isinstance(x, dict):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if hasattr(x, "__dataclass_fields__"):
        return {f.name: plain(getattr(x, f.name)) for f in fields(x)}
    return x
