"""The classic lenses: `points`, `spatial`, `graph`."""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from servanda.cli.plumbing import (
    PICTURES,
    AsJson,
    Out,
    apart,
    app,
    check_writable,
    deliver,
    ending,
    print_rich,
    printable,
    progress,
    text,
)


@app.command
def points(
    files: Annotated[
        list[Path],
        Parameter(
            help="A table: a folder, a YAML or CSV file, a scenario, or a domain and its profiles "
            "(Genius XML, GeniusWeb JSON, NegMAS YAML, scoreable games in plain text)."
        ),
    ],
    /,
    *,
    time: Annotated[float, Parameter(help="Periods before the deal: discounts utilities.")] = 0.0,
    but: Annotated[int, Parameter(help="A deal needs all but so many parties.")] = 0,
    veto: Annotated[
        list[str] | None, Parameter(help="Who must agree; by default what the file says.")
    ] = None,
    tolerance: Annotated[
        float | None, Parameter(help="Differences of utility that count as ties.")
    ] = None,
    ks: Annotated[
        str, Parameter(help="Kalai-Smorodinsky: maximin or smallest-spread (NegMAS).")
    ] = "maximin",
    ideal: Annotated[
        str, Parameter(help="Its ideal point: of acceptable deals, or of all (NegMAS).")
    ] = "acceptable",
    start: Annotated[
        str | None, Parameter(name="--from", help="A path from this solution or 'split' ...")
    ] = None,
    end: Annotated[str, Parameter(name="--to", help="... to this solution.")] = "nash",
    only: Annotated[
        str | None,
        Parameter(help="Only this solution, by branch and bound: for many parties and issues."),
    ] = None,
    plot: Annotated[Path | None, Parameter(help="Draw to this file (.svg, .png, .json).")] = None,
    picture: Annotated[
        str, Parameter(help="What to draw: frontier, solutions, issues or path.")
    ] = "frontier",
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Negotiation over a table of points: which deals are efficient, acceptable, and chosen."""
    from servanda.show.page import print_on
    from servanda.tables.points import points as ask
    from servanda.tables.points.page import blocks, path_blocks, single

    only_picture = plot is None and ending(out) in PICTURES
    if only_picture:
        plot, out = out, None
    check_writable(out, *files)
    check_writable(plot, *files, name="--plot")
    if only is not None:
        if plot is not None:
            from servanda.errors import QuestionError

            raise QuestionError("--only names a deal and draws nothing; leave one of the two out")
        with progress(f"Looking for {only}"):
            lines = single(list(files), only, time, as_json)
        deliver("\n".join(printable(line) for line in lines), out)
        return 0
    with progress("Looking for deals") as step:
        answer = ask(
            list(files),
            time=time,
            but=but,
            vetoes=veto,
            tolerance=tolerance,
            ks=ks,  # type: ignore[arg-type]  # the question says which there are
            ideal=ideal,  # type: ignore[arg-type]
            progress=step,
        )
    path = answer.path(start, end) if start is not None else None
    if plot is not None:
        ends = {"start": start or "split", "end": end} if picture == "path" else {}
        answer.plot(picture, plot, **ends)
        print(f"written to {plot}", file=sys.stderr)
    if only_picture:
        return 0
    if as_json or ending(out) == ".json":
        deliver(text(answer.to_json()), out)
    else:
        page = blocks(answer) + ([] if path is None else path_blocks(answer, path))
        print_rich(lambda console: print_on(page, console), out)
    return 0


@app.command
def spatial(
    table: Annotated[Path, Parameter(help="Actors and positions: .csv, .yaml, or a scenario.")],
    /,
    *,
    scale: Annotated[
        tuple[float, float] | None, Parameter(help="Low and high end of every dimension.")
    ] = None,
    dimension: Annotated[str | None, Parameter(help="Play on this dimension alone.")] = None,
    target: Annotated[
        float | None, Parameter(help="Where the median should be: who would have to move?")
    ] = None,
    challenge: Annotated[str, Parameter(help="Replication of the challenge model.")] = "scholz",
    bargaining: Annotated[
        str | None, Parameter(help="Replication of the spatial bargaining model.")
    ] = None,
    option: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", help="One model choice, as election.voting=binary; may be repeated."
        ),
    ] = (),
    rounds: Annotated[int, Parameter(help="Rounds of challenges at most.")] = 10,
    turns: Annotated[int, Parameter(help="Turns of bargaining at most.")] = 100,
    runs: Annotated[int, Parameter(help="Histories of bargaining.")] = 100,
    seed: Annotated[int, Parameter(help="Which histories: the same seed, the same result.")] = 0,
    picture: Annotated[
        str, Parameter(help="Drawn if --out ends in .svg or .png: turns, rounds, positions, ...")
    ] = "turns",
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Where an issue ends, given where actors stand, how much they care and what they can do."""
    check_writable(out, table)
    from servanda.tables.spatial.ask import model_options
    from servanda.tables.spatial.ask import spatial as ask

    models = model_options(option, challenge=challenge, bargaining=bargaining)
    with progress("Bargaining") as step:
        answer = ask(
            table, scale=scale, dimension=dimension, target=target, rounds=rounds, turns=turns,
            runs=runs, seed=seed, progress=step, **models,
        )  # fmt: skip
    if ending(out) in PICTURES:
        answer.plot(picture, out)
        print(f"written to {out}", file=sys.stderr)
    elif as_json or ending(out) == ".json":
        deliver(answer.to_json(), out)
    else:
        from servanda.show.page import print_on
        from servanda.tables.spatial.page import blocks

        print_rich(lambda console: print_on(blocks(answer), console), out)
    return 0


@app.command
def graph(
    conflict: Annotated[
        Path, Parameter(help="A conflict: its YAML file, its folder, or a scenario.")
    ],
    /,
    *,
    concepts: Annotated[
        str | None,
        Parameter(help="Nash,GMR,SMR,SEQ,SIM,L3,NM and others, with commas between them."),
    ] = None,
    state: Annotated[
        str | None, Parameter(help="Why this state (number or pattern) is or is not stable.")
    ] = None,
    paths_from: Annotated[
        str | None, Parameter(help="The tree of moves from this state (status-quo analysis).")
    ] = None,
    steps: Annotated[
        int | None, Parameter(help="With --paths-from: at most so many moves.")
    ] = None,
    improvements: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="With --paths-from: improvements only."),
    ] = False,
    inverse: Annotated[
        str | None, Parameter(help="How many rankings make this state an equilibrium.")
    ] = None,
    vary: Annotated[str, Parameter(help="With --inverse: whose rankings, commas between.")] = "",
    perceptions: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Each in the conflict that it sees."),
    ] = False,
    coalition: Annotated[
        list[str] | None, Parameter(help="Decision makers who move as one, commas between.")
    ] = None,
    sanctions: Annotated[
        str, Parameter(help="legal-sequences, single or each-once.")
    ] = "legal-sequences",
    unknown: Annotated[str, Parameter(help="How unknown preferences count: a, b, c or d.")] = "a",
    response: Annotated[str, Parameter(help="Looking ahead: worst or best answer.")] = "worst",
    picture: Annotated[
        str | None, Parameter(help="equilibria, graph or tree; with --out a .svg or .png file.")
    ] = None,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Which states of a conflict will last, for whom and why: the graph model."""
    from servanda.errors import QuestionError
    from servanda.tables.graph.ask import answer
    from servanda.tables.graph.load import load

    check_writable(out, conflict)
    found = answer(
        load(conflict),
        concepts=None if concepts is None else apart(concepts),
        state=state,
        paths_from=paths_from,
        steps=steps,
        improvements_only=improvements,
        inverse_of=inverse,
        vary=apart(vary),
        as_seen=perceptions,
        coalitions=[apart(group) for group in coalition or []],
        sanctions=sanctions,
        unknown_as=unknown,
        response=response,
    )
    if picture is not None or ending(out) in PICTURES:
        if out is None or not hasattr(found, "plot"):
            raise QuestionError("a picture needs --out FILE.svg and a question that has one")
        plot: Any = found.plot
        plot(**({} if picture is None else {"what": picture}), path=out)
        print(f"written to {out}", file=sys.stderr)
    elif as_json or ending(out) == ".json":
        deliver(found.to_json(), out)
    else:
        deliver("\n".join(printable(line) for line in str(found).splitlines()), out)
    return 0
