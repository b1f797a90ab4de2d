"""What shape must a scenario file have?

In comes the plain data of a file; pydantic checks it against these models, key by key. Out go
typed sections for the loader, and `json_schema()`, with which an editor completes and checks a
file while it is written. Whether names refer to something is not asked here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

# The tags of union members stand in angle brackets, so that none is taken for a key of a file.

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]


def _kind(**tags: type | tuple[type, ...]) -> Callable[[Any], str]:
    """Chooses the member of a union by the type of the value; the last one catches the rest."""

    def choose(value: Any) -> str:
        for tag, kind in tags.items():
            if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
                return f"<{tag}>"
        return f"<{list(tags)[-1]}>"

    return choose


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


class _Reasoned(_Strict):
    why: str = Field("", description="Why this and not something else.")
    source: str = Field("", description="Where it is taken from.")


# --- numbers and formulas -------------------------------------------------------------------

FormulaText = Annotated[
    Annotated[bool, Tag("<truth>")]
    | Annotated[float, Tag("<number>")]
    | Annotated[str, Tag("<formula>")],
    Discriminator(_kind(truth=bool, number=(int, float), formula=object)),
    Field(description="A formula: arithmetic, comparisons, and/or/not, `a if c else b`."),
]

Range = Annotated[
    list[float],
    Field(min_length=3, max_length=3, description="[low, mode, high], read as a PERT distribution"),
]


class Valued(_Reasoned):
    """A number or [low, mode, high] with its reason."""

    value: Annotated[
        Annotated[float, Tag("<number>")] | Annotated[Range, Tag("<range>")],
        Discriminator(_kind(range=list, number=object)),
    ]


class Pert(_Reasoned):
    """A smooth distribution between two bounds around its mode."""

    distribution: Literal["pert", "triangular"]
    low: float
    mode: float
    high: float


class Uniform(_Reasoned):
    """Every value between two bounds alike."""

    distribution: Literal["uniform"]
    low: float
    high: float


class Normal(_Reasoned):
    """A normal distribution, cut at low and high if given."""

    distribution: Literal["normal"]
    mean: float
    sd: float
    low: float | None = None
    high: float | None = None


class Lognormal(_Reasoned):
    """A number whose logarithm is normal with standard deviation sigma."""

    distribution: Literal["lognormal"]
    median: float
    sigma: float
    low: float | None = None
    high: float | None = None


class Beta(_Reasoned):
    """A share between 0 and 1."""

    distribution: Literal["beta"]
    a: float
    b: float


class OtherDistribution(BaseModel):
    """Stands for a distribution whose name is not known, so that the known ones can be listed."""

    distribution: Literal["pert", "triangular", "uniform", "normal", "lognormal", "beta"]


_DISTRIBUTIONS: Final = {
    "pert": "<pert>",
    "triangular": "<pert>",
    "uniform": "<uniform>",
    "normal": "<normal>",
    "lognormal": "<lognormal>",
    "beta": "<beta>",
}


def _kind_of_number(value: Any) -> str:
    if isinstance(value, dict):
        if "distribution" not in value:
            return "<value>"
        name = value["distribution"]
        return _DISTRIBUTIONS.get(name, "<other>") if isinstance(name, str) else "<other>"
    if isinstance(value, list):
        return "<range>"
    return "<formula>" if isinstance(value, str) else "<number>"


Number = Annotated[
    Annotated[float, Tag("<number>")]
    | Annotated[Range, Tag("<range>")]
    | Annotated[Valued, Tag("<value>")]
    | Annotated[Pert, Tag("<pert>")]
    | Annotated[Uniform, Tag("<uniform>")]
    | Annotated[Normal, Tag("<normal>")]
    | Annotated[Lognormal, Tag("<lognormal>")]
    | Annotated[Beta, Tag("<beta>")]
    | Annotated[OtherDistribution, Tag("<other>")]
    | Annotated[str, Tag("<formula>")],
    Discriminator(_kind_of_number),
    Field(description="A number, [low, mode, high], a distribution, or a formula of assumptions."),
]

Interval = Annotated[list[float], Field(min_length=2, max_length=2, description="[low, high]")]


# Keys of a number, none of which can name a disturbance.
NUMBER_KEYS: Final = frozenset(
    key for form in (Valued, Pert, Normal, Lognormal) for key in form.model_fields
)


def _kind_of_shock(value: Any) -> str:
    named = isinstance(value, dict) and not value.keys() & {"value", "distribution"}
    return "<by disturbance>" if named else "<own>"


Shock = Annotated[
    Annotated[Number, Tag("<own>")]
    | Annotated[dict[Name, Number], Field(min_length=1), Tag("<by disturbance>")],
    Discriminator(_kind_of_shock),
]

# --- sections -------------------------------------------------------------------------------


class PartySection(_Strict):
    """Somebody who chooses."""

    patience: Number = Field(description="δ: what the next period counts against this one, 0 to 1.")
    acuity: Number = Field(
        12.0, description="λ: how surely the better option is chosen; inf: always."
    )
    stakes: Number | None = Field(None, description="s: the scale of its utility; else computed.")
    label: str = ""


class HypothesisSection(_Reasoned):
    """One reading of a party: a weight, and the assumptions it sets by name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    weight: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Its probability; the weights of a group sum to 1. Default: all alike."
    )


class StockSection(_Reasoned):
    """A quantity that flows."""

    start: Number
    next: FormulaText = Field(description="Its value a period later; clipped to the range.")
    range: Interval = Field([0.0, 1.0], description="[low, high]")
    levels: int | None = Field(None, ge=2, le=1000, description="A hint for the grid.")
    shock: Shock | None = Field(
        None,
        description="Standard deviation of a normal disturbance a period; or `{own: ..., NAME: "
        "...}`: how far its own and named disturbances, which stocks can share, move it.",
    )
    label: str = ""


class PhaseSection(_Strict):
    """A finite state, such as whose turn it is."""

    values: Annotated[list[Name], Field(min_length=1, max_length=100)]
    start: Name | None = Field(None, description="Default: the first value.")
    next: dict[Name, FormulaText] = Field(
        {}, description="The probability of moving to each value; the rest stays where it is."
    )


class OptionDetail(_Strict):
    """When an option can be chosen, and how it is called in reports."""

    when: FormulaText | None = None
    label: str = ""


Option = Annotated[
    Annotated[Name, Tag("<name>")]
    | Annotated[
        dict[Name, OptionDetail], Field(min_length=1, max_length=1), Tag("<option with detail>")
    ],
    Discriminator(lambda value: "<option with detail>" if isinstance(value, dict) else "<name>"),
]

Options = Annotated[list[Option], Field(min_length=1, max_length=200)]


class OptionsSection(_Strict):
    """A choice among named options; the first is the default."""

    options: Options
    when: FormulaText | None = Field(
        None, description="The party chooses only if this exceeds 0.5."
    )


class NumericSection(_Strict):
    """A choice of a number, such as an offer."""

    range: Interval
    steps: int = Field(ge=2, le=1000, description="How many numbers, both ends included.")
    when: FormulaText | None = Field(
        None, description="The party chooses only if this exceeds 0.5."
    )


def kind_of_decision(value: Any) -> str:
    """Which form of a decision a value has: a list, options, or a range of numbers."""
    if isinstance(value, list):
        return "<list>"
    if isinstance(value, dict) and ("range" in value or "steps" in value):
        return "<numbers>"
    return "<options>"


DecisionSection = Annotated[
    Annotated[Options, Tag("<list>")]
    | Annotated[OptionsSection, Tag("<options>")]
    | Annotated[NumericSection, Tag("<numbers>")],
    Discriminator(kind_of_decision),
]


def _kind_of_moves(value: Any) -> str:
    if isinstance(value, dict) and not value.keys() & {"options", "range", "steps"}:
        return "<decisions>"
    return kind_of_decision(value)


MovesSection = Annotated[
    Annotated[Options, Tag("<list>")]
    | Annotated[OptionsSection, Tag("<options>")]
    | Annotated[NumericSection, Tag("<numbers>")]
    | Annotated[dict[Name, DecisionSection], Field(min_length=1), Tag("<decisions>")],
    Discriminator(_kind_of_moves),
]

ByAge = Annotated[
    list[float], Field(min_length=1, max_length=2000, description="one number an age")
]

Level = Annotated[
    Annotated[float, Tag("<number>")] | Annotated[ByAge, Tag("<by age>")],
    Discriminator(_kind(**{"by age": list, "number": object})),
]

AfterWord = Literal["lapses", "stays", "reverses"]


class LevelsTerm(_Strict):
    """A term with named levels."""

    levels: Annotated[dict[Name, Level], Field(min_length=1, max_length=200)]
    now: Name | None = Field(None, description="The level without any deal; default: the first.")
    after: AfterWord = Field("lapses", description="What becomes of it when the deal ends.")
    label: str = ""


class RangeTerm(_Strict):
    """A term that is a number."""

    range: Interval
    now: float
    after: AfterWord = "lapses"
    label: str = ""


TermSection = Annotated[
    Annotated[LevelsTerm, Tag("<levels>")] | Annotated[RangeTerm, Tag("<continuous>")],
    Discriminator(
        lambda value: "<continuous>" if isinstance(value, dict) and "range" in value else "<levels>"
    ),
]

OptionRef = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?$")]


class ObligationSection(_Strict):
    """What a party is bound to do, or not to do, while a deal is in force."""

    party: Name
    never: (
        Annotated[
            Annotated[OptionRef, Tag("<option>")]
            | Annotated[list[OptionRef], Field(min_length=1), Tag("<options>")],
            Discriminator(_kind(options=list, option=object)),
        ]
        | None
    ) = Field(None, description="An option, or several, that may not be chosen.")
    must: OptionRef | None = Field(None, description="An option that must be chosen.")
    by: int | None = Field(
        None, ge=0, description="From this age on, till done; default: every period."
    )
    while_: FormulaText | None = Field(
        None, alias="while", description="Binding while this formula of terms exceeds 0."
    )
    due: str | None = Field(
        None, description="broken.OTHER: binding after that breach; needs survives."
    )
    survives: bool = Field(False, description="Whether it outlives a breach of another.")
    tolerance: int = Field(0, ge=0, description="How many noticed breaches are let pass.")
    verified: Number = Field(1.0, description="The probability that a breach is noticed.")
    false_alarm: Number = Field(0.0, description="The probability of a notice without a breach.")
    remembered: Number | None = Field(
        None, description="Periods its breach is remembered, on average; default: as the deal says."
    )
    label: str = ""


TermValue = Annotated[
    Annotated[float, Tag("<number>")]
    | Annotated[ByAge, Tag("<by age>")]
    | Annotated[str, Tag("<level>")],
    Discriminator(_kind(**{"number": (int, float), "by age": list, "level": object})),
]

OrderItem = Annotated[
    Annotated[OptionRef, Tag("<one>")]
    | Annotated[list[OptionRef], Field(min_length=1), Tag("<at once>")],
    Discriminator(_kind(**{"at once": list, "one": object})),
]


class RememberedSection(_Strict):
    """How many periods each matter is remembered, on average."""

    refusal: Number | None = Field(None, description="Who refused the offer; default: for ever.")
    renewal: Number | None = Field(
        None, description="Who declined to renew; default: not at all. Needs `renew: all_sign`."
    )
    breach: Number | None = Field(None, description="Who broke the deal; default: for ever.")


def kind_of_memory(value: Any) -> str:
    """Which form `remembered` has: one number, or a mapping of matters."""
    numbers = {"value", "distribution"}
    return "<matters>" if isinstance(value, dict) and not value.keys() & numbers else "<all>"


Memory = Annotated[
    Annotated[Number, Tag("<all>")] | Annotated[RememberedSection, Tag("<matters>")],
    Discriminator(kind_of_memory),
]


class ProposalSection(_Reasoned):
    """A deal that can be signed."""

    text: str = Field("", description="The offer in words.")
    proposer: Name | None = None
    signatories: Annotated[list[Name], Field(min_length=1, description="In the order asked.")]
    open: Annotated[list[int], Field(min_length=2, max_length=2)] = Field(
        [0, 0], description="The first and last period to sign it, from when it is on the table."
    )
    lasts: int | None = Field(None, ge=1, description="How many periods; default: no end.")
    renew: Literal["none", "automatic", "all_sign"] = "none"
    otherwise: Name = Field("never", description="What is on the table after a refusal or the end.")
    reopens: bool = Field(False, description="Whether it can be signed again after a breach.")
    remembered: Memory | None = Field(
        None, description="Periods a refusal and a breach are remembered, on average; or by matter."
    )
    terms: dict[Name, TermValue] = Field({}, description="Terms left out stay as they are.")
    obligations: list[Name] | None = Field(None, description="Default: all.")


LeverChange = Annotated[
    Annotated[float, Tag("<number>")]
    | Annotated[str, Tag("<change>")]
    | Annotated[Range, Tag("<range>")],
    Discriminator(_kind(change=str, range=list, number=object)),
]


class LeverSection(_Reasoned):
    """Something somebody could change, at a cost."""

    owner: Name
    set: Annotated[dict[str, LeverChange], Field(min_length=1)] = Field(
        description="Assumptions and their new numbers, or changes such as '+0.2' and '*1.5'."
    )
    cost: Number = 0.0
    from_: int = Field(0, ge=0, alias="from", description="The first period in which it acts.")
    label: str = ""


class ClaimSection(_Reasoned):
    """A statement to be tested."""

    quote: str
    test: str = Field(description='Such as "survival(land_for_peace, 12) < 0.5"; see claims.md.')


Coordinates = Annotated[
    Annotated[float, Tag("<number>")] | Annotated[list[float], Field(min_length=1), Tag("<list>")],
    Discriminator(_kind(list=list, number=object)),
]


class SpatialActorSection(_Reasoned):
    """Where an actor stands, how much it cares and what it can do."""

    capability: float = Field(gt=0, description="In any unit, the same for all.")
    position: Coordinates = Field(description="A number, or one a dimension.")
    salience: Coordinates = Field(
        description="The share of its attention: 0 to 1, or in per cent; one a dimension."
    )


class SpatialSection(_Strict):
    """Actors' positions, for `servanda spatial`."""

    title: str = ""
    unit: str = Field("", description="Of positions.")
    source: str = ""
    scale: list[float] | None = Field(
        None, min_length=2, max_length=2, description="Low and high end; default: as observed."
    )
    dimensions: list[str] | None = Field(None, description="Names; default: one, or d1, d2, ...")
    actors: Annotated[dict[str, SpatialActorSection], Field(min_length=2)]
    accommodation: dict[str, dict[str, float]] = Field(
        {}, description="How far an actor's ideal follows positions, by actor and position holder."
    )


def _read_by_lens(kind: str, description: str) -> Any:
    """What a lens checks itself, down to its last number; here only its place is known."""
    kinds = {"mapping": "object", "list": "array", "text": "string", "number": "number"}
    types = [{"type": kinds[one]} for one in kind.split(" or ")]
    form: Any = {"anyOf": types} if len(types) > 1 else types[0]
    return Field(None, json_schema_extra=form, description=description)


def _needing(*keys: str) -> ConfigDict:
    """Keys that an editor asks for; that they are missing is said by the lens."""
    return ConfigDict(json_schema_extra={"required": list(keys)})


class PointsPartySection(_Strict):
    """What each option is worth to a party."""

    label: Any = _read_by_lens("text", "Its name in words. Not read.")
    reservation: Any = _read_by_lens("number", "What it has without a deal.")
    discount: Any = _read_by_lens("number", "What is left of utility after a period.")
    base: Any = _read_by_lens("number", "Added to every deal.")
    weights: Any = _read_by_lens("mapping", "A factor for each issue; default: 1.")
    values: Any = _read_by_lens("mapping", "For each issue, what its options are worth.")
    pairs: Any = _read_by_lens("list", "`{when, worth}`: two options together.")
    bonuses: Any = _read_by_lens("list", "`{when, worth}`: conditions on several issues.")


class PointsSection(_Strict):
    """A table of points, for `servanda points`."""

    model_config = _needing("issues", "parties")

    title: Any = _read_by_lens("text", "Default: the scenario's.")
    source: Any = _read_by_lens("text", "Where it is taken from.")
    notes: Any = _read_by_lens("text", "Not read.")
    issues: Any = _read_by_lens(
        "mapping", "By name: a list of options, `{integer: [...]}` or `{continuous: [...]}`."
    )
    parties: dict[str, PointsPartySection] | None = Field(None, description="Who has to agree.")
    constraints: Any = _read_by_lens("list", "`never`, `if` and `then`, or `sum` with a bound.")
    vetoes: Any = _read_by_lens("list", "Parties without which there is no deal.")


class GraphSection(_Strict):
    """A conflict in option form, for `servanda graph`."""

    model_config = _needing("decision_makers", "preferences")

    title: Any = _read_by_lens("text", "Default: the scenario's.")
    source: Any = _read_by_lens("text", "Where it is taken from.")
    notes: Any = _read_by_lens("text", "Not read.")
    decision_makers: Any = _read_by_lens("mapping or list", "By name: the list of its options.")
    infeasible: Any = _read_by_lens("list", "Patterns of Y, N and - that cannot be.")
    irreversible: Any = _read_by_lens("mapping", "By option: `N->Y` or `Y->N`.")
    moves: Any = _read_by_lens("list", "Changes by state: `{by, from, to, allowed}`.")
    states: Any = _read_by_lens("list", "Names, in a conflict without options.")
    arcs: Any = _read_by_lens("mapping", "Beside `states`: by name, pairs of states.")
    preferences: Any = _read_by_lens("mapping", "By name: a ranking, statements or weights.")
    attitudes: Any = _read_by_lens("mapping", "By name, towards others by name.")
    perceptions: Any = _read_by_lens("mapping", "By name: what one sees.")
    status_quo: Any = _read_by_lens("text or number", "A state: its letters or its number.")


class ScenarioFile(_Strict):
    """A conflict, its parties, and the deals on the table."""

    title: Annotated[str, Field(min_length=1)]
    period: Literal["day", "week", "month", "quarter", "year"] = "month"
    horizon: int = Field(ge=1, le=2000, description="How many periods are looked ahead.")
    terminal: Literal["stationary", "zero"] = Field(
        "stationary", description="What counts past the horizon: an unending game, or nothing."
    )
    parties: Annotated[dict[Name, PartySection], Field(min_length=1)]
    assumptions: dict[Name, Number] = {}
    hypotheses: dict[Name, Annotated[dict[Name, HypothesisSection], Field(min_length=1)]] = {}
    stocks: dict[Name, StockSection] = {}
    phases: dict[Name, PhaseSection] = {}
    moves: dict[Name, MovesSection] = {}
    let: dict[Name, FormulaText] = {}
    interests: dict[Name, dict[Name, FormulaText]] = {}
    terms: dict[Name, TermSection] = {}
    obligations: dict[Name, ObligationSection] = {}
    order: list[OrderItem] | None = None
    proposals: dict[Name, ProposalSection] = {}
    levers: dict[Name, LeverSection] = {}
    claims: dict[Name, ClaimSection] = {}
    points: PointsSection | None = Field(
        None, description="A table of points, for `servanda points`; no part of the game."
    )
    graph: GraphSection | None = Field(
        None, description="A conflict in option form, for `servanda graph`; no part of the game."
    )
    spatial: SpatialSection | None = Field(
        None, description="Actors' positions, for `servanda spatial`; no part of the game."
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a scenario file, for editors."""
    schema = _for_editors(ScenarioFile.model_json_schema(by_alias=True))
    del schema["$defs"][OtherDistribution.__name__]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Servanda scenario",
    }


def _for_editors(schema: Any) -> Any:
    """Unions as `anyOf`, for some forms overlap, without the stand-in for unknown names, and
    without the titles that only repeat the keys.
    """
    if isinstance(schema, list):
        return [_for_editors(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _for_editors(value) for key, value in schema.items()}
    if isinstance(found.get("title"), str):
        del found["title"]
    if "oneOf" in found:
        members = found.pop("oneOf")
        stand_in = {"$ref": f"#/$defs/{OtherDistribution.__name__}"}
        found["anyOf"] = [member for member in members if member != stand_in]
    return found
