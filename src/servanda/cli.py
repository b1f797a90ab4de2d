"""The command line: `assess`, `check`, `schema`, and the lenses `points`, `graph`, `spatial`.

In comes what a person types; out go a result on standard output or in a file, one line per mistake
on standard error, and an exit code: 0 done, 1 only warnings (`check`), 2 a mistake to correct, 130
interrupted. Everything heavy is imported inside the commands, so that `--help` answers at once.
"""

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from servanda import __version__

if TYPE_CHECKING:
    from servanda.scenario.model import Scenario

app = App(
    name="servanda",
    version=__version__,
    suppress_keyboard_interrupt=False,  # `main` says it and gives the exit code
    help="Will this agreement be kept? Who would break it, when, why, and what would make it hold?",
    help_epilogue="Start with: servanda assess scenarios/ukraine-2025 --deal kremlin_counter",
)

Case = Annotated[Path, Parameter(help="A scenario: its folder, or its YAML file.")]
AsJson = Annotated[
    bool,
    Parameter(
        name="--json",
        negative="",
        show_default=False,
        help="Print JSON instead of text for people.",
    ),
]
Out = Annotated[Path | None, Parameter(help="Write to this file (JSON if it ends in .json).")]


@app.command
def assess(
    case: Case,
    /,
    *,
    deal: Annotated[str | None, Parameter(help="The offer, by its name under `proposals`.")] = None,
    party: Annotated[
        str | None, Parameter(name="--for", help="From whose chair; by default every party's.")
    ] = None,
    worlds: Annotated[int, Parameter(help="How many draws of the uncertain numbers.")] = 64,
    seed: Annotated[int, Parameter(help="Which draws: the same seed, the same result.")] = 0,
    fine: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="A finer grid: slower, smaller grid error."
        ),
    ] = False,
    as_json: AsJson = False,
    out: Out = None,
) -> int:
    """Is an offer worth signing, who signs it, will it be kept, who breaks it, and when."""
    from servanda.errors import QuestionError

    if worlds < 1:
        raise QuestionError(f"--worlds {worlds}: at least one world is needed")
    if seed < 0:
        raise QuestionError(f"--seed {seed}: a seed is a whole number from 0 on")
    _check_writable(out)
    scenario = _load(case)
    deal = _choose_deal(scenario, deal)
    if party is not None:
        _check_name("party", party, scenario.parties)

    from servanda.questions.assess import assess as ask

    with _progress(f"Assessing {deal}") as progress:
        answer = ask(
            scenario, deal, party=party, worlds=worlds, seed=seed, fine=fine, progress=progress
        )
    if as_json or (out is not None and out.suffix == ".json"):
        _deliver(_text(answer.to_json()), out)
    else:
        from servanda.show.terminal import print_assessment

        _print_rich(lambda console: print_assessment(answer, console), out)
    return 0


@app.command
def check(case: Case, /, *, as_json: AsJson = False, out: Out = None) -> int:
    """Is a scenario sound: every mistake with line and column, warnings, size and memory.

    Exit code 0: sound; 1: warnings only; 2: mistakes that must be corrected first.
    """
    from servanda.errors import Finding, ScenarioError

    _check_writable(out)
    findings: tuple[Finding, ...]
    size: str | None = None
    try:
        scenario = _load(case)
    except ScenarioError as error:
        findings = error.findings
    else:
        from servanda.game.size import size_report

        findings = scenario.warnings
        size = size_report(scenario)
    from servanda.tables.sections import mistakes

    said = {(f.line, f.column) for f in findings}
    findings += tuple(f for f in mistakes(case) if (f.line, f.column) not in said)
    findings = tuple(sorted(findings, key=lambda f: (f.line, f.column)))
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors

    if as_json or (out is not None and out.suffix == ".json"):
        answer = {
            "case": str(case),
            "sound": not errors,
            "findings": [asdict(finding) for finding in findings],
            "size": size,
        }
        _deliver(json.dumps(answer, indent=2, ensure_ascii=False), out)
    else:
        lines = [str(f) + ("" if f.severity == "error" else " (warning)") for f in findings]
        lines.append(f"{case}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
        if size is not None:
            lines.append(size)
        _deliver("\n".join(_printable(line) for line in lines), out)
    return 2 if errors else 1 if warnings else 0


@app.command
def schema(*, out: Out = None) -> int:
    """The JSON Schema of scenario files, for editors that complete and check while you type."""
    from servanda.scenario.schema import json_schema

    _check_writable(out)
    _deliver(json.dumps(json_schema(), indent=2, ensure_ascii=False), out)
    return 0


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
    from servanda.tables.points import points as ask
    from servanda.tables.points.page import print_answer, single

    only_picture = plot is None and out is not None and out.suffix in (".svg", ".png")
    if only_picture:
        plot, out = out, None
    _check_writable(out)
    _check_writable(plot, "--plot")
    if only is not None:
        with _progress(f"Looking for {only}"):
            lines = single(list(files), only, time, as_json)
        _deliver("\n".join(_printable(line) for line in lines), out)
        return 0
    with _progress("Looking for deals") as progress:
        answer = ask(
            list(files),
            time=time,
            but=but,
            vetoes=veto,
            tolerance=tolerance,
            ks=ks,  # type: ignore[arg-type]  # the question says which there are
            ideal=ideal,  # type: ignore[arg-type]
            progress=progress,
        )
    path = answer.path(start, end) if start is not None else None
    if plot is not None:
        ends = {"start": start or "split", "end": end} if picture == "path" else {}
        answer.plot(picture, plot, **ends)
        print(f"written to {plot}", file=sys.stderr)
    if only_picture:
        return 0
    if as_json or (out is not None and out.suffix == ".json"):
        _deliver(_text(answer.to_json()), out)
    else:
        _print_rich(lambda console: print_answer(answer, console, path), out)
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
    _check_writable(out)
    from servanda.tables.spatial.ask import model_options
    from servanda.tables.spatial.ask import spatial as ask

    models = model_options(option, challenge=challenge, bargaining=bargaining)
    with _progress("Bargaining") as progress:
        answer = ask(
            table, scale=scale, dimension=dimension, target=target, rounds=rounds, turns=turns,
            runs=runs, seed=seed, progress=progress, **models,
        )  # fmt: skip
    if out is not None and out.suffix in (".svg", ".png"):
        answer.plot(picture, out)
        print(f"written to {out}", file=sys.stderr)
    elif as_json or (out is not None and out.suffix == ".json"):
        _deliver(answer.to_json(), out)
    else:
        from servanda.tables.spatial.page import print_spatial

        _print_rich(lambda console: print_spatial(answer, console), out)
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

    _check_writable(out)
    found = answer(
        load(conflict),
        concepts=None if concepts is None else _apart(concepts),
        state=state,
        paths_from=paths_from,
        steps=steps,
        improvements_only=improvements,
        inverse_of=inverse,
        vary=_apart(vary),
        as_seen=perceptions,
        coalitions=[_apart(group) for group in coalition or []],
        sanctions=sanctions,
        unknown_as=unknown,
        response=response,
    )
    if picture is not None or (out is not None and out.suffix in (".svg", ".png")):
        if out is None or not hasattr(found, "plot"):
            raise QuestionError("a picture needs --out FILE.svg and a question that has one")
        plot: Any = found.plot
        plot(**({} if picture is None else {"what": picture}), path=out)
        print(f"written to {out}", file=sys.stderr)
    elif as_json or (out is not None and out.suffix == ".json"):
        _deliver(found.to_json(), out)
    else:
        _deliver("\n".join(_printable(line) for line in str(found).splitlines()), out)
    return 0


def _apart(words: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in words.split(",") if word.strip()]


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `tokens` defaults to what was typed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without λ or – is no reason to fail
            stream.reconfigure(errors="replace")
    try:
        code = app(
            list(sys.argv[1:] if tokens is None else tokens),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        print(end="", flush=True)  # a reader that went away shows now, not at exit
        return code if isinstance(code, int) else 0
    except CycloptsError as error:
        return _fail([" ".join(str(error).split()) + " See servanda --help."])
    except KeyboardInterrupt:
        return _fail(["interrupted"], code=130)
    except BrokenPipeError:  # the reader of our output went away: `servanda ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail([f"{place}{error.strerror or error}"])
    except Exception as error:
        from servanda.errors import ServandaError

        if not isinstance(error, ServandaError):
            raise
        return _fail(str(error).splitlines() or [type(error).__name__])


def _fail(lines: Iterable[str], code: int = 2) -> int:
    for line in lines:
        print(_printable(line), file=sys.stderr)
    return code


def _load(case: Path) -> "Scenario":
    from servanda.scenario.load import load

    return load(case)


def _choose_deal(scenario: "Scenario", deal: str | None) -> str:
    """The named offer; without a name, the only one there is."""
    from servanda.errors import QuestionError

    if deal is not None:
        _check_name("deal", deal, scenario.proposals)
        return deal
    if len(scenario.proposals) == 1:
        return next(iter(scenario.proposals))
    names = ", ".join(scenario.proposals) or "none: add one under `proposals`"
    raise QuestionError(f"which deal? Name one with --deal. In this scenario: {names}")


def _check_name(kind: str, name: str, known: Iterable[str]) -> None:
    from servanda.errors import unknown

    names = list(known)
    if name not in names:
        raise unknown(kind, name, names)


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, indent=2, ensure_ascii=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _printable(line: str) -> str:
    """The line without control characters: a scenario file must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


def _check_writable(out: Path | None, name: str = "--out") -> None:
    """Say that a result has nowhere to go before computing it, not after."""
    if out is None:
        return
    from servanda.errors import QuestionError

    if not out.parent.is_dir():
        raise QuestionError(f"{name} {out}: there is no folder {out.parent}")
    if out.is_dir():
        raise QuestionError(f"{name} {out} is a folder; name a file in it")


def _deliver(text: str, out: Path | None) -> None:
    """Print the text, or write it whole to a file."""
    if out is None:
        print(text.rstrip("\n"))
        return
    from servanda.show.render import write_whole

    write_whole(out, text.rstrip("\n") + "\n")
    print(f"written to {out}", file=sys.stderr)


def _print_rich(show: Callable[[Any], None], out: Path | None) -> None:
    """Let `show` print on a Rich console: the terminal, or plain text for a file."""
    from rich.console import Console

    if out is None:
        show(Console(highlight=False))
        return
    page = io.StringIO()
    show(Console(width=100, highlight=False, no_color=True, file=page))
    _deliver(page.getvalue(), out)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on standard error, as a function of (done, total, what is being done).

    Silent when standard error is not a terminal, so that logs and pipes stay clean.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int, description: str = "") -> None:
            progress.update(
                task, completed=done, total=total, description=_printable(description or what)
            )

        yield advance


if __name__ == "__main__":
    sys.exit(main())
