"""What is a scenario, once it has been read and found sound?

In come the checked sections of a scenario file; out go frozen dataclasses that the game reads and
nothing else: numbers are formulas over assumptions, decisions stand in their order of play, and
every name refers to something that exists. Only the loader makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from servanda.errors import Finding
from servanda.scenario.distributions import Distribution
from servanda.scenario.formulas import Formula

Period = Literal["day", "week", "month", "quarter", "year"]

PER_YEAR: dict[str, int] = {"day": 365, "week": 52, "month": 12, "quarter": 4, "year": 1}
"""How many of them make a year."""
Terminal = Literal["stationary", "zero"]
After = Literal["lapses", "stays", "reverses"]
Renewal = Literal["none", "automatic", "all_sign"]


@dataclass(frozen=True)
class Party:
    """Somebody who chooses: `patience` δ per period, `acuity` λ, `stakes` s (None: computed)."""

    name: str
    label: str
    patience: Formula
    acuity: Formula
    stakes: Formula | None


@dataclass(frozen=True)
class Assumption:
    """A number with a name, uncertain or not.

    Numbers written in place carry a dotted name (`front.start`). `group` names the hypotheses
    that set it, if any do; `distribution` is then the fallback, or that of the heaviest
    hypothesis if every one sets it. `place` is `file:line:column`.
    """

    name: str
    distribution: Distribution
    why: str = ""
    source: str = ""
    place: str = ""
    group: str | None = None


@dataclass(frozen=True)
class Hypothesis:
    """One of several rival readings: its weight in its group and the assumptions it sets."""

    name: str
    weight: float
    sets: dict[str, Distribution]
    why: str = ""
    source: str = ""


@dataclass(frozen=True)
class Stock:
    """A quantity on [low, high] that moves: `next` is its value a period later, before clipping.

    `shock` is how far a standard normal disturbance moves it per period, by the disturbance's
    name: its own bears the stock's name, and stocks that name the same one move together. `levels`
    is only a hint for the grid.
    """

    name: str
    label: str
    start: Formula
    next: Formula
    low: float
    high: float
    levels: int | None
    shock: Mapping[str, Formula]
    why: str = ""
    source: str = ""


@dataclass(frozen=True)
class Phase:
    """A finite state: `next` gives the probability of moving to each value; the rest stays."""

    name: str
    values: tuple[str, ...]
    start: int
    next: dict[str, Formula]


@dataclass(frozen=True)
class Decision:
    """A choice a party makes each period.

    `key` is `party` or `party.decision`; formulas read the option's indicator `key.option`. A
    numeric decision has `values` (one per option) and is read as one number, `reads_as`. The
    first option is the default. `option_when` runs along `options`.
    """

    key: str
    party: str
    name: str | None
    options: tuple[str, ...]
    values: tuple[float, ...] | None
    when: Formula | None
    option_when: tuple[Formula | None, ...]
    labels: tuple[str, ...] = ()

    @property
    def indicators(self) -> tuple[str, ...]:
        """The names formulas read: one per option, or the one name of a numeric decision."""
        if self.values is not None:
            return (self.reads_as,)
        return tuple(f"{self.key}.{option}" for option in self.options)

    @property
    def reads_as(self) -> str:
        """The name of a numeric decision's value: `party.decision`, or `party.value` unnamed."""
        return f"{self.key}.value" if self.name is None else self.key


@dataclass(frozen=True)
class Term:
    """Something that can be negotiated; formulas read it as one number.

    `levels` maps a level to its values by age (periods since signature; the last one stays);
    a continuous term has a `range` instead and no levels.
    """

    name: str
    levels: dict[str, tuple[float, ...]]
    range: tuple[float, float] | None
    now: float
    after: After
    label: str
    now_level: str | None = None


@dataclass(frozen=True)
class Remembered:
    """How many periods a matter is remembered on average; None: for ever (renewal: not at all)."""

    refusal: Formula | None = None
    renewal: Formula | None = None
    breach: Formula | None = None


@dataclass(frozen=True)
class Obligation:
    """What a party is bound to do or not to do, while a deal is in force.

    `options` are pairs (index of the decision in `Scenario.decisions`, index of the option).
    `by` is the age by which a duty must be done; None: every period. `due` names the obligation
    whose breach makes this one fall due. `verified` and `false_alarm` are probabilities.
    `remembered` is the mean length in periods for which its breach is; None: as the deal says.
    """

    name: str
    party: str
    kind: Literal["never", "must"]
    options: tuple[tuple[int, int], ...]
    by: int | None
    while_: Formula | None
    due: str | None
    survives: bool
    tolerance: int
    verified: Formula
    false_alarm: Formula
    label: str = ""
    remembered: Formula | None = None


@dataclass(frozen=True)
class Proposal:
    """A deal that can be signed: `terms` holds the schedule by age of every term.

    `levels` says the same in the words of the file; `stated` are the terms that it names. The offer
    can be signed at periods `opens` to `closes`; `lasts` counts periods (None: no end).
    """

    name: str
    text: str
    proposer: str | None
    signatories: tuple[str, ...]
    opens: int
    closes: int
    lasts: int | None
    renew: Renewal
    otherwise: str | None
    reopens: bool
    terms: dict[str, tuple[float, ...]]
    levels: dict[str, str]
    obligations: tuple[str, ...]
    why: str = ""
    source: str = ""
    stated: tuple[str, ...] = ()
    remembered: Remembered = Remembered()


@dataclass(frozen=True)
class Change:
    """What a lever does to an assumption: set it, add to it or multiply it by `amount`."""

    kind: Literal["set", "add", "multiply"]
    amount: Distribution


@dataclass(frozen=True)
class Lever:
    """Something its owner could change, at a cost, from a period on."""

    name: str
    owner: str
    sets: dict[str, Change]
    cost: Formula
    start: int
    label: str = ""
    why: str = ""
    source: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement to be tested; `test` calls the figures of a report and is true or false."""

    name: str
    quote: str
    test: Formula
    why: str = ""
    source: str = ""


@dataclass(frozen=True)
class Scenario:
    """A conflict, its parties and the deals on the table, as the analyst wrote them.

    `decisions` stand in order of play; `stages` holds indices into them, more than one in a stage
    being simultaneous. `let` is sorted so that each definition reads only earlier ones. `hash`
    changes with anything that could change an answer, not with comments or layout.
    """

    title: str
    period: Period
    horizon: int
    terminal: Terminal
    parties: dict[str, Party]
    assumptions: dict[str, Assumption]
    hypotheses: dict[str, dict[str, Hypothesis]]
    stocks: dict[str, Stock]
    phases: dict[str, Phase]
    decisions: tuple[Decision, ...]
    stages: tuple[tuple[int, ...], ...]
    let: dict[str, Formula]
    interests: dict[str, dict[str, Formula]]
    terms: dict[str, Term]
    obligations: dict[str, Obligation]
    proposals: dict[str, Proposal]
    levers: dict[str, Lever]
    claims: dict[str, Claim]
    hash: str
    source: Path | None
    warnings: tuple[Finding, ...] = ()

    def distribution(self, name: str, chosen: Mapping[str, str]) -> Distribution:
        """How an assumption is distributed when `chosen` names one hypothesis of each group."""
        assumption = self.assumptions[name]
        if assumption.group is not None:
            hypothesis = self.hypotheses[assumption.group][chosen[assumption.group]]
            return hypothesis.sets.get(name, assumption.distribution)
        return assumption.distribution
