"""The questions of a negotiator: `assess` and its companions, a command each."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from servanda.cli.plumbing import (
    AsJson,
    Case,
    Chair,
    Fine,
    Kept,
    Out,
    Picture,
    Seed,
    SomeWorlds,
    Worlds,
    apart,
    app,
    check_draws,
    check_name,
    check_picture,
    check_writable,
    choose_deal,
    load,
    present,
    progress,
    say_what_fine_costs,
)


@app.command
def assess(
    case: Case,
    /,
    *,
    deal: Annotated[str | None, Parameter(help="The offer, by its name under `proposals`.")] = None,
    party: Chair = None,
    worlds: SomeWorlds = None,
    seed: Seed = 0,
    fine: Fine = False,
    folder: Kept = None,
    picture: Picture = None,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Is an offer worth signing, who signs it, will it be kept, who breaks it, and when."""
    check_draws(worlds, seed)
    check_writable(out, case)
    scenario = load(case)
    deal = choose_deal(scenario, deal)
    if party is not None:
        check_name("party", party, scenario.parties)

    from servanda.questions.assess import assess as ask
    from servanda.questions.assessment import Assessment

    check_picture(picture, out, Assessment)
    say_what_fine_costs(fine, worlds)
    with progress(f"Assessing {deal}") as step:
        answer = ask(
            scenario,
            deal,
            party=party,
            worlds=worlds,
            seed=seed,
            fine=fine,
            folder=folder,
            progress=step,
        )
    return present(answer, as_json, out, picture)


@app.command
def compare(
    case: Case,
    /,
    *,
    deals: Annotated[
        str | None, Parameter(help="Which offers, with commas between them; by default all.")
    ] = None,
    party: Chair = None,
    worlds: SomeWorlds = None,
    seed: Seed = 0,
    fine: Fine = False,
    folder: Kept = None,
    picture: Picture = None,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Which of the offers on the table: worth, signing, survival and regret, side by side."""
    check_draws(worlds, seed)
    check_writable(out, case)
    scenario = load(case)
    from servanda.questions.compare import Comparison
    from servanda.questions.compare import compare as ask

    check_picture(picture, out, Comparison)
    say_what_fine_costs(fine, worlds)
    with progress("Comparing offers") as step:
        answer = ask(
            scenario,
            None if deals is None else apart(deals),
            party,
            worlds=worlds,
            seed=seed,
            fine=fine,
            folder=folder,
            progress=step,
        )
    return present(answer, as_json, out, picture)


@app.command
def claims(
    case: Case,
    /,
    *,
    names: Annotated[
        str | None,
        Parameter(name="--claims", help="Which, with commas between them; by default all."),
    ] = None,
    worlds: SomeWorlds = None,
    seed: Seed = 0,
    fine: Fine = False,
    folder: Kept = None,
    picture: Picture = None,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Which claims hold, in how many worlds, where not, and on what that rests."""
    check_draws(worlds, seed)
    check_writable(out, case)
    scenario = load(case)
    from servanda.questions.claims import ClaimsAnswer
    from servanda.questions.claims import claims as ask

    check_picture(picture, out, ClaimsAnswer)
    with progress("Testing claims") as step:
        answer = ask(
            scenario,
            None if names is None else apart(names),
            worlds=worlds,
            seed=seed,
            fine=fine,
            folder=folder,
            progress=step,
        )
    return present(answer, as_json, out, picture)


@app.command
def flip(
    case: Case,
    /,
    *,
    deal: Annotated[str | None, Parameter(help="The offer, by its name under `proposals`.")] = None,
    party: Annotated[str, Parameter(name="--for", help="From whose chair.")],
    pair: Annotated[
        str | None,
        Parameter(help="Two assumptions to map against each other, with a comma between them."),
    ] = None,
    sobol: Annotated[
        int, Parameter(help="Base samples for Sobol' indices, a power of two; 0: none.")
    ] = 0,
    seed: Seed = 0,
    picture: Picture = None,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Where the verdict on an offer would turn: assumptions, terms, readings, good faith."""
    from servanda.errors import QuestionError

    check_draws(1, seed)
    check_writable(out, case)
    scenario = load(case)
    deal = choose_deal(scenario, deal)
    check_name("party", party, scenario.parties)
    both = None if pair is None else apart(pair)
    if both is not None and len(both) != 2:
        raise QuestionError("--pair needs two assumptions with a comma between them")
    from servanda.questions.flip import Flip
    from servanda.questions.flip import flip as ask

    check_picture(picture, out, Flip)
    with progress(f"Turning {deal} over") as step:
        answer = ask(
            scenario,
            deal,
            party,
            pair=picture == "map" if both is None else (both[0], both[1]),
            sobol=sobol,
            seed=seed,
            progress=step,
        )
    return present(answer, as_json, out, picture)


@app.command
def table(
    case: Case,
    /,
    *,
    folder: Annotated[Path, Parameter(help="Where the table is kept, and gone on with.")],
    deals: Annotated[
        str | None, Parameter(help="Which offers, with commas between them; by default all.")
    ] = None,
    levers: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="A package of levers, as arm_ukraine,monitor_the_line=0.5; may be repeated.",
        ),
    ] = None,
    worlds: Worlds = 1024,
    seed: Seed = 0,
    workers: Annotated[int, Parameter(help="Chunks computed at once.")] = 2,
    processes: Annotated[
        bool, Parameter(negative="", show_default=False, help="In processes, not in threads.")
    ] = False,
    cluster: Annotated[
        str | None, Parameter(help="Address of a Dask scheduler, as tcp://10.0.0.1:8786.")
    ] = None,
) -> int:
    """Every offer in very many worlds, as a table on disk; goes on where it was stopped."""
    check_draws(worlds, seed)
    scenario = load(case)
    from servanda.questions.table import packages_in_words
    from servanda.questions.table import table as ask

    with progress("Computing the table") as step:
        found = ask(
            scenario,
            None if deals is None else apart(deals),
            packages_in_words(levers),
            worlds=worlds,
            seed=seed,
            folder=folder,
            workers=workers,
            processes=processes,
            cluster=cluster,
            progress=step,
        )
    rows = sum(len(frame) for frame in found.batches())
    print(f"{rows:,} rows in {folder}: read them with servanda.runs.read, or any Parquet reader")
    return 0


@app.command
def design(
    case: Case,
    /,
    *,
    like: Annotated[str, Parameter(help="The proposal whose life the deals share.")],
    vary: Annotated[
        str | None, Parameter(help="Which terms, with commas between them; by default all.")
    ] = None,
    fix: Annotated[
        list[str] | None, Parameter(help="TERM=LEVEL, as often as needed.", consume_multiple=True)
    ] = None,
    signatories: Annotated[
        str | None, Parameter(help="Who has to sign, with commas; by default all who are bound.")
    ] = None,
    share: Annotated[float, Parameter(help="In which share of worlds, 0 to 1.")] = 0.5,
    hold: Annotated[int | None, Parameter(help="For how many periods the deal must hold.")] = None,
    party: Chair = None,
    worlds: Worlds = 64,
    seed: Seed = 0,
    limit: Annotated[int, Parameter(help="Deals tried, at most.")] = 3000,
    folder: Kept = None,
    picture: Picture = None,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Which deals would everybody needed sign, and which of those hold."""
    check_draws(worlds, seed)
    check_writable(out, case)
    scenario = load(case)
    from servanda.errors import QuestionError
    from servanda.questions.design import Design
    from servanda.questions.design import design as ask

    check_picture(picture, out, Design)
    fixed = {}
    for said in fix or []:
        name, equals, level = said.partition("=")
        if not equals:
            raise QuestionError(f"--fix {said}: write TERM=LEVEL")
        fixed[name.strip()] = level.strip()
    with progress("Designing deals") as step:
        answer = ask(
            scenario,
            like,
            vary=None if vary is None else apart(vary),
            fix=fixed,
            signatories=None if signatories is None else apart(signatories),
            share=share,
            hold=None if hold is None else (hold, 0.5),
            party=party,
            worlds=worlds,
            seed=seed,
            limit=limit,
            folder=folder,
            progress=step,
        )
    return present(answer, as_json, out, picture)


@app.command
def levers(
    case: Case,
    /,
    *,
    deal: Annotated[str | None, Parameter(help="The offer, by its name under `proposals`.")] = None,
    party: Annotated[
        str | None,
        Parameter(
            name="--for",
            help="Whose acceptance is tested; by default the signatory least likely to sign.",
        ),
    ] = None,
    budget: Annotated[float | None, Parameter(help="Cost per period not to be exceeded.")] = None,
    levers: Annotated[
        str | None, Parameter(help="Which levers, with commas between them; by default all.")
    ] = None,
    schedule: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Also when to pull which lever."),
    ] = False,
    objective: Annotated[
        Literal["signing", "worth", "gap"],
        Parameter(help="What a schedule raises: signing, worth to the party, or its gap."),
    ] = "signing",
    worlds: Worlds = 32,
    seed: Seed = 0,
    folder: Kept = None,
    picture: Picture = None,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Which levers make a party's alternatives all worse and worsening, and at what cost."""
    check_draws(worlds, seed)
    check_writable(out, case)
    scenario = load(case)
    deal = choose_deal(scenario, deal)
    from servanda.questions.levers import LeversAnswer
    from servanda.questions.levers import levers as ask

    check_picture(picture, out, LeversAnswer)
    with progress(f"Pulling levers for {deal}") as step:
        answer = ask(
            scenario,
            deal,
            party=party,
            budget=budget,
            among=None if levers is None else apart(levers),
            worlds=worlds,
            seed=seed,
            schedule=schedule,
            objective=objective,
            folder=folder,
            progress=step,
        )
    return present(answer, as_json, out, picture)


@app.command
def play(
    case: Case,
    /,
    *,
    deal: Annotated[
        str | None,
        Parameter(help="The offer, by its name under `proposals`; not needed if there is one."),
    ] = None,
    worlds: Worlds = 32,
    start: Annotated[
        int, Parameter(name="--from", help="The period from which play is told and drawn.")
    ] = 0,
    seed: Seed = 0,
    picture: Picture = None,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Who does what, month by month, with the deal and without, and what holds the deal up."""
    check_draws(worlds, seed)
    check_writable(out, case)
    scenario = load(case)
    if scenario.proposals:
        deal = choose_deal(scenario, deal)
    elif deal is not None:
        check_name("deal", deal, scenario.proposals)
    from servanda.questions.play.answer import Play
    from servanda.questions.play.ask import check_start
    from servanda.questions.play.ask import play as ask

    check_start(scenario, start)
    check_picture(picture, out, Play)
    with progress("Playing" if deal is None else f"Playing {deal}") as step:
        answer = ask(scenario, deal, worlds=worlds, start=start, seed=seed, progress=step)
    return present(answer, as_json, out, picture)
