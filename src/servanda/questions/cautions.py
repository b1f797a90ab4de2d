"""What an author should know of a case before believing what it says.

In: a scenario, and how it is played. Out: `Caution`s, each a fact with its figure: an interest that
swamps all others, a price that is paid for ever, a term that changes nothing, a choice that is a
toss of a coin, an option that nobody ever takes, a duty that asks for what is done anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from servanda.game.positions import closure
from servanda.questions.holding import stakes_of
from servanda.questions.riders import changed_terms
from servanda.scenario.formulas import Formula, evaluate
from servanda.scenario.model import Decision, Proposal, Scenario
from servanda.scenario.weighted import weighted_quantiles
from servanda.scenario.worlds import modal
from servanda.show.figures import count, figure, percent, percent_between
from servanda.show.marks import in_words, short_names

SWAMPS = 0.95
"""From this share of all that a party has at stake on, an interest swamps the others."""

ALONE = 0.1
"""From this probability on, a party is said to do without a deal what the deal asks of it."""

ANYWAY = 0.95
"""From this probability on, a duty asks for nothing new."""

TOSSED = 0.5
"""From this part of its choices on, a party is said to toss a coin."""

NEVER_TAKEN = 1e-3
"""With less probability than this in every world and period an option is never taken."""

SAMPLES = 256
"""States that formulas are looked at in."""

FADED = 1e-9
"""Of stakes: a smaller difference is none."""


@dataclass(frozen=True)
class Caution:
    """One thing to know: of what kind, about what in the file, and in words."""

    kind: str  # toss, swamped, for_ever, never_taken, idle_term, alone, anyway
    about: str  # the name in the file
    words: str


@dataclass(frozen=True)
class Played:
    """How a game is played along one course, over worlds and periods."""

    taken: xr.DataArray  # [world, period, move] of each option being taken in a choice
    choice: xr.DataArray  # [world, period, decision] of the decision being a choice
    even: xr.DataArray  # [world, period, decision] of the choice being about even; NaN: no choice
    offered: xr.DataArray  # [world, period, move] of the option being open in a choice


def of_the_file(scenario: Scenario, proposal: Proposal | None = None) -> list[Caution]:
    """What can be said of a scenario (and one of its proposals) without playing it."""
    found = swamped(scenario) + paid_for_ever(scenario, proposal)
    return found + (idle_terms(scenario, proposal) if proposal is not None else [])


def swamped(scenario: Scenario) -> list[Caution]:
    """Interests that are nearly everything that a party can win or lose in a period."""
    names, found = _names(scenario), []
    states = [_states(scenario, p, ends=True) for p in (None, *scenario.proposals.values())]
    size = {
        f"{party}.{name}": float(np.ptp([_value(scenario, f, env) for env in states]))
        for party, flows in scenario.interests.items()
        for name, f in flows.items()
    }
    for party, flows in scenario.interests.items():
        own = {name: size[f"{party}.{name}"] for name in flows}
        total = sum(own.values())
        for name, x in own.items():
            if len(own) > 1 and total > 0 and x / total >= SWAMPS:
                words = f"{names[party]}: {in_words(name)} is {percent(x / total)} of everything "
                words += f"that a {scenario.period} can bring it or cost it, with the deals on the "
                words += "table and without; its other interests hardly count."
                found.append(Caution("swamped", f"{party}.{name}", words))
    return found


def paid_for_ever(scenario: Scenario, proposal: Proposal | None = None) -> list[Caution]:
    """Interests that change for good once somebody has refused or a deal has been broken.

    Of one proposal, or of any. Formulas are read at the horizon, in many states, with and without
    the fact that is remembered; where the difference is there in every one of them, and the fact
    is never forgotten, nothing lets it fade.
    """
    found, names = [], _names(scenario)
    offers = [proposal] if proposal is not None else list(scenario.proposals.values())
    scale = stakes_of(scenario)
    facts = {f"refused_by.{p}": f"once {names[p]} has refused" for p in scenario.parties}
    for name, duty in scenario.obligations.items():
        what = duty.label or in_words(name)
        facts[f"broken.{name}"] = f"once the deal is broken by “{what}”"
    facts["broken"] = "once a deal is broken"
    patience = _patience(scenario)
    for party, flows in scenario.interests.items():
        for name, formula in flows.items():
            read = closure(scenario, [formula])
            lasting: dict[tuple[float, float], list[str]] = {}
            for fact, when in facts.items():
                lasts = fact in read and _lasts(scenario, offers, fact)
                gap = _change(scenario, formula, fact) if lasts else np.zeros(1)
                faded = FADED * max(scale[party], 1e-300)
                if np.abs(gap).min() > faded and np.ptp(np.sign(gap)) == 0:
                    low, high = sorted((float(gap.min()), float(gap.max())), key=abs)
                    lasting.setdefault((low, high), []).append(when)
            for (low, high), whens in lasting.items():
                size = figure(high) if np.isclose(low, high) else f"{figure(low)} to {figure(high)}"
                total = abs(low + high) / 2 / max(1.0 - patience[party], 1e-12)
                words = f"{names[party]}: {in_words(name)} is changed for ever "
                words += f"{' or '.join(whens)}: {size} a {scenario.period}, which never fades"
                if scale[party] > 0:
                    spell = count(float(f"{total / scale[party]:.2g}"), scenario.period)
                    words += f"; in all as much as {spell} of its stakes"
                found.append(Caution("for_ever", f"{party}.{name}", words + "."))
    return found


def _lasts(scenario: Scenario, offers: Sequence[Proposal], fact: str) -> bool:
    """Whether a refusal or a breach of one of some deals is remembered for ever."""
    what, _, name = fact.partition(".")
    for p in offers:
        if what == "refused_by":
            if name in p.signatories and _for_ever(scenario, p.remembered.refusal):
                return True
            continue
        for duty in p.obligations:
            own = scenario.obligations[duty].remembered
            length = p.remembered.breach if own is None else own
            if name in ("", duty) and _for_ever(scenario, length):
                return True
    return False


def _for_ever(scenario: Scenario, remembered: Formula | None) -> bool:
    """Whether a mean length of memory has no end in the central case."""
    if remembered is None:
        return True
    return bool(np.isinf(float(evaluate(remembered, _numbers(scenario), np))))


def _change(scenario: Scenario, formula: Formula, fact: str) -> np.ndarray:
    """What a formula is with a remembered fact, less without it, in many states."""
    base = _states(scenario)
    broken = fact.startswith("broken.")
    base |= {"in_force": 0.0, "expired": 0.0, "broken": 1.0 * broken, "unsigned": 1.0 - broken}
    on = base | ({"unsigned": 0.0, "broken": 1.0} if fact == "broken" else {fact: 1.0})
    return _value(scenario, formula, on) - _value(scenario, formula, base)


def idle_terms(scenario: Scenario, proposal: Proposal) -> list[Caution]:
    """Terms that a deal changes without changing anything that anybody gets, can do or must do."""
    found = []
    for name in changed_terms(scenario, proposal):
        term = scenario.terms[name]
        levels = sorted(set(proposal.terms[name]) - {term.now})
        state = _states(scenario, proposal)
        before = _everything(scenario, state | {name: term.now})
        same = all(
            np.allclose(before, _everything(scenario, state | {name: level}), rtol=0, atol=1e-12)
            for level in levels
        )
        if same:
            words = f"{term.label or in_words(name)}: changed by {in_words(proposal.name)}, but "
            words += "no interest, stock, phase, option or duty takes another value for that."
            found.append(Caution("idle_term", name, words))
    return found


def of_the_play(
    scenario: Scenario,
    proposal: Proposal | None,
    courses: dict[str, Played],
    weight: Float[np.ndarray, " world"],
    without: str = "without",
    start: int = 0,
) -> list[Caution]:
    """What can be said once it is known how the game is played: by course, as `with the deal`.

    `without` names the course of no deal, and `start` the period from which play is looked at.
    """
    later = {
        name: Played(*(getattr(c, f).sel(period=slice(start, None)) for f in _FIELDS))
        for name, c in courses.items()
    }
    found = []
    if proposal is not None and without in later:
        found += _done_anyway(scenario, proposal, later[without], weight)
    found += _tossed(scenario, later, weight)
    return found + _never_taken(scenario, later)


_FIELDS = ("taken", "choice", "even", "offered")


def _done_anyway(
    scenario: Scenario, proposal: Proposal, free: Played, weight: np.ndarray
) -> list[Caution]:
    found, names = [], _names(scenario)
    for name in proposal.obligations:
        o = scenario.obligations[name]
        if o.due is not None:
            continue  # it asks for nothing until something else is broken
        key = scenario.decisions[o.options[0][0]].key
        asked = np.nan_to_num(free.choice.sel(decision=key).values)
        if float(asked.max()) < NEVER_TAKEN:
            continue  # it cannot choose without a deal
        done = sum(_taken(scenario, free, d, k) for d, k in o.options)
        share = np.asarray(done).sum(axis=1) / np.maximum(asked.sum(axis=1), 1e-12)
        middle = float(np.average(share, weights=weight))
        low, high = map(float, weighted_quantiles(share, weight, (0.1, 0.9)))
        said = f"{percent(middle)} of {scenario.period}s"
        if len(weight) > 1:
            said += f" ({percent_between(low, high)} in 8 of 10 worlds)"
        what = " or ".join(option_words(scenario, d, k) for d, k in o.options)
        if o.kind == "must" and middle >= ALONE:
            words = f"{names[o.party]} does by itself, without any deal, what the deal binds it to "
            words += f"({what}): in {said}. Is that meant?"
            found.append(Caution("alone", name, words))
        elif o.kind == "never" and middle <= 1 - ANYWAY:
            words = (
                f"{names[o.party]} hardly ever does, without any deal, what the deal forbids it "
            )
            words += f"({what}): in {said}. The duty asks for little."
            found.append(Caution("anyway", name, words))
    return found


def _taken(scenario: Scenario, c: Played, decision: int, option: int) -> np.ndarray:
    """[world, period] the probability that an option is chosen."""
    return np.nan_to_num(c.taken.sel(move=move_name(scenario, decision, option)).values)


def _tossed(scenario: Scenario, courses: dict[str, Played], weight: np.ndarray) -> list[Caution]:
    found, names = [], _names(scenario)
    acuity = _acuity(scenario)
    for d in scenario.decisions:
        for course, c in courses.items():
            choice = np.nan_to_num(c.choice.sel(decision=d.key).values)
            even = np.nan_to_num(c.even.sel(decision=d.key).values)
            asked = float(np.sum(np.average(choice, axis=0, weights=weight)))
            tossed = np.average(choice * even, axis=0, weights=weight)
            if asked < 0.5 or float(tossed.sum()) < TOSSED * asked:
                continue
            open_ones = [
                o
                for k, o in enumerate(d.options)
                if np.nan_to_num(
                    c.offered.sel(move=move_name(scenario, _at(scenario, d), k)).values
                ).any()
            ]
            options = [
                option_words(scenario, _at(scenario, d), d.options.index(o)) for o in open_ones
            ]
            periods = count(round(float(tossed.sum())), scenario.period)
            words = f"{_who(d, names)} tosses a coin between {_either(options)} for {periods} "
            words += f"({course}): what it does there changes next to nothing for it"
            if acuity[d.party] < 3:
                words += f", or its acuity of {acuity[d.party]:.2g} is too low to tell"
            found.append(Caution("toss", d.key, words + "."))
            break
    return found


def _never_taken(scenario: Scenario, courses: dict[str, Played]) -> list[Caution]:
    found, names = [], _names(scenario)
    for at, d in enumerate(scenario.decisions):
        if len(d.options) < 2 or d.values is not None:
            continue  # of numbers on a scale most are never taken
        idle, closed = [], []
        for k in range(len(d.options)):
            move = move_name(scenario, at, k)
            each = [np.nan_to_num(c.offered.sel(move=move).values) for c in courses.values()]
            open_at = max(float(x.max()) for x in each)
            most = max(float(_taken(scenario, c, at, k).max()) for c in courses.values())
            if open_at == 0:
                closed.append(option_words(scenario, at, k))
            elif most < NEVER_TAKEN:
                idle.append(option_words(scenario, at, k))
        if len(closed) == len(d.options):
            words = f"{_who(d, names)} never has a choice in what is played here."
            found.append(Caution("never_taken", d.key, words))
        elif idle:
            words = f"{_who(d, names)} never plays {_either(idle)}: under 0.1 % in every world and "
            words += f"{scenario.period}, with the deal and without."
            found.append(Caution("never_taken", d.key, words))
    return found


# -- names --------------------------------------------------------------------------------------


def move_name(scenario: Scenario, decision: int, option: int) -> str:
    """How an option is called in arrays: "party.decision.option"."""
    d = scenario.decisions[decision]
    return f"{d.key}.{d.options[option]}"


def option_words(scenario: Scenario, decision: int, option: int) -> str:
    """An option's label, or its name in words."""
    d = scenario.decisions[decision]
    label = d.labels[option] if option < len(d.labels) else ""
    return label if label and label != d.options[option] else in_words(d.options[option])


def _who(d: Decision, names: dict[str, str]) -> str:
    return names[d.party] + (f" ({in_words(d.name)})" if d.name else "")


def _at(scenario: Scenario, d: Decision) -> int:
    return scenario.decisions.index(d)


def _either(options: Sequence[str]) -> str:
    words = [f"“{o}”" for o in options]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _names(scenario: Scenario) -> dict[str, str]:
    return short_names({name: p.label or name for name, p in scenario.parties.items()})


# -- formulas at made-up states -----------------------------------------------------------------


def _numbers(scenario: Scenario) -> dict[str, float]:
    world = modal(scenario)
    return dict(zip(world.names, map(float, world.values[0]), strict=True))


def _patience(scenario: Scenario) -> dict[str, float]:
    env = _numbers(scenario)
    return {n: float(evaluate(p.patience, env, np)) for n, p in scenario.parties.items()}


def _acuity(scenario: Scenario) -> dict[str, float]:
    env = _numbers(scenario)
    return {n: float(evaluate(p.acuity, env, np)) for n, p in scenario.parties.items()}


def _states(
    scenario: Scenario, proposal: Proposal | None = None, ends: bool = False
) -> dict[str, object]:
    """Many states, drawn evenly: everything that a formula may read, as arrays.

    Terms are those of today at the horizon, or of a proposal in force in any period; assumptions
    are at their likeliest. Stocks are drawn in their ranges, or (`ends`) at their ends.
    """
    rng = np.random.default_rng(SAMPLES)
    env: dict[str, object] = dict(_numbers(scenario))
    env["period"] = float(scenario.horizon)
    if proposal is not None:
        env["period"] = rng.integers(scenario.horizon, size=SAMPLES).astype(float)
    for name, stock in scenario.stocks.items():
        share = rng.uniform(size=SAMPLES)
        env[name] = stock.low + (np.round(share) if ends else share) * (stock.high - stock.low)
    for name, phase in scenario.phases.items():
        now = rng.integers(len(phase.values), size=SAMPLES)
        env |= {f"{name}.{v}": (now == j) * 1.0 for j, v in enumerate(phase.values)}
    for d in scenario.decisions:
        taken = rng.integers(len(d.options), size=SAMPLES)
        if d.values is not None:
            env[d.reads_as] = np.array(d.values, float)[taken]
        else:
            env |= {f"{d.key}.{o}": (taken == j) * 1.0 for j, o in enumerate(d.options)}
    env |= {name: t.now for name, t in scenario.terms.items()}
    kinds = ("in_force", "unsigned", "expired", "broken")
    now = rng.integers(len(kinds), size=SAMPLES)
    env |= {kind: (now == j) * 1.0 for j, kind in enumerate(kinds)}
    env |= {f"refused_by.{p}": 0.0 for p in scenario.parties}
    for name in scenario.obligations:
        env |= {f"broken.{name}": 0.0, f"breach.{name}": 0.0}
    if proposal is not None:
        env |= {name: schedule[-1] for name, schedule in proposal.terms.items()}
        env |= {"in_force": 1.0, "unsigned": 0.0, "expired": 0.0, "broken": 0.0}
    return env


def _value(scenario: Scenario, formula: Formula, env: dict[str, object]) -> np.ndarray:
    """A formula at every state; what has no number counts as 0."""
    full = dict(env)
    for name, f in scenario.let.items():
        full[name] = evaluate(f, full, np)
    found = np.broadcast_to(np.asarray(evaluate(formula, full, np), float), (SAMPLES,))
    return np.nan_to_num(found)


def _everything(scenario: Scenario, env: dict[str, object]) -> np.ndarray:
    """Everything that formulas say in every state."""
    formulas = [f for flows in scenario.interests.values() for f in flows.values()]
    for s in scenario.stocks.values():
        formulas += [s.next, *s.shock.values()]
    formulas += [f for p in scenario.phases.values() for f in p.next.values()]
    for d in scenario.decisions:
        formulas += [f for f in (d.when, *d.option_when) if f is not None]
    formulas += [o.while_ for o in scenario.obligations.values() if o.while_ is not None]
    return np.array([_value(scenario, f, env) for f in formulas])
