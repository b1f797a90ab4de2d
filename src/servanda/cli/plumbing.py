"""What commands share: the app, reading a case, progress, and putting results where they belong."""

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from servanda import __version__

if TYPE_CHECKING:
    from servanda.questions.answer import Page
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
Worlds = Annotated[int, Parameter(help="How many draws of the uncertain numbers.")]
SomeWorlds = Annotated[
    int | None,
    Parameter(help="How many draws of the uncertain numbers: 64, and 256 with --fine."),
]
Seed = Annotated[int, Parameter(help="Which draws: the same seed, the same result.")]
Fine = Annotated[
    bool,
    Parameter(
        negative="",
        show_default=False,
        help="More worlds, more of them on a finer grid: slower, smaller errors.",
    ),
]
Kept = Annotated[
    Path | None,
    Parameter(
        name="--folder", help="Keep here what is finished; the same again goes on from there."
    ),
]
Picture = Annotated[
    str | None, Parameter(help="What to draw if --out ends in .svg or .png; see the docs.")
]
Chair = Annotated[
    str | None, Parameter(name="--for", help="From whose chair; by default every party's.")
]


def load(case: Path, solve: bool = True) -> "Scenario":
    """Read a case; if it is to be solved, kernels are compiled while libraries are read in."""
    from servanda import native
    from servanda.scenario.load import load

    scenario = load(case)
    if solve:
        native.ahead(len(scenario.stocks))
    return scenario


def choose_deal(scenario: "Scenario", deal: str | None) -> str:
    """The named offer; without a name, the only one there is."""
    from servanda.errors import QuestionError

    if deal is not None:
        check_name("deal", deal, scenario.proposals)
        return deal
    if len(scenario.proposals) == 1:
        return next(iter(scenario.proposals))
    names = ", ".join(scenario.proposals) or "none: add one under `proposals`"
    raise QuestionError(f"which deal? Name one with --deal. In this scenario: {names}")


def check_name(kind: str, name: str, known: Iterable[str]) -> None:
    from servanda.errors import unknown

    names = list(known)
    if name not in names:
        raise unknown(kind, name, names)


def text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, indent=2, ensure_ascii=False)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def printable(line: str) -> str:
    """The line without control characters: a scenario file must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


def ending(out: Path | None) -> str:
    """What a file's name ends in, in small letters: ".svg", or nothing."""
    return "" if out is None else out.suffix.lower()


def check_writable(out: Path | None, *inputs: Path, name: str = "--out") -> None:
    """Say that a result has nowhere to go before computing it, not after.

    What is read as input is not written over.
    """
    if out is None:
        return
    from servanda.errors import QuestionError

    if not out.parent.is_dir():
        raise QuestionError(f"{name} {out}: there is no folder {out.parent}")
    if out.is_dir():
        raise QuestionError(f"{name} {out} is a folder; name a file in it")
    for given in inputs:
        if out.resolve() in (given.resolve(), (given / "scenario.yaml").resolve()):
            raise QuestionError(f"{name} {out} is what is to be read; name another file")
    if ending(out) in NOT_WRITTEN:
        raise QuestionError(
            f"{name} {out}: no file of this kind can be written; use .svg or .png for a picture, "
            ".json for everything, .txt for the page"
        )


def check_picture(picture: str | None, out: Path | None, answer: "type[Page]") -> None:
    """Say that there is no such picture, or nowhere to put it, before computing it."""
    if picture is None:
        return
    from servanda.errors import QuestionError

    check_name("picture", picture, answer.PICTURES)
    if out is None:
        raise QuestionError("a picture needs --out FILE.svg or FILE.png")


def deliver(text: str, out: Path | None) -> None:
    """Print the text, or write it whole to a file."""
    if out is None:
        print(text.rstrip("\n"))
        return
    from servanda.show.render import write_whole

    write_whole(out, text.rstrip("\n") + "\n")
    print(f"written to {out}", file=sys.stderr)


def print_rich(show: Callable[[Any], None], out: Path | None) -> None:
    """Let `show` print on a Rich console: the terminal, or plain text for a file."""
    from rich.console import Console

    if out is None:
        width = 80 if Console().width < 1 else None  # COLUMNS=0: nobody knows
        show(Console(highlight=False, width=width))
        return
    page = io.StringIO()
    show(Console(width=100, highlight=False, no_color=True, file=page))
    deliver(page.getvalue(), out)


@contextmanager
def progress(what: str) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error, as a function of (done, total, what is being done).

    Silent when standard error is not a terminal, so that logs and pipes stay clean.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int, description: str = "") -> None:
            progress.update(
                task, completed=done, total=total, description=printable(description or what)
            )

        yield advance


def apart(words: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in words.split(",") if word.strip()]


MAX_WORLDS = 100_000
"""Worlds whose figures are held in memory at once."""

PICTURES = (".svg", ".png")
"""What a picture is written as."""

NOT_WRITTEN = (".pdf", ".jpg", ".jpeg", ".gif", ".eps", ".docx", ".xlsx")
"""What a page or picture cannot be written as."""


def say_what_fine_costs(fine: bool, worlds: int | None) -> None:
    """Say on standard error, before it starts, what `--fine` solves and how long it takes."""
    if not fine:
        return
    from servanda.game.grid import FINER
    from servanda.game.plan import FINE_WORLDS, WORLDS, Sizes

    count = worlds or FINE_WORLDS
    size, usual = Sizes.of(count, True), Sizes.of(WORLDS, False)

    def work(n: int, s: Sizes) -> int:
        return n + s.again + FINER * s.finer + ASIDE * (s.aside + FINER * s.aside_finer)

    ratio = work(count, size) / work(WORLDS, usual)
    print(
        f"--fine: {count} worlds, {min(count, size.again)} of them again on a second grid and "
        f"{min(count, size.finer)} on {FINER} times the points; about {ratio:.1f} times the work "
        f"of {WORLDS} worlds without it",
        file=sys.stderr,
    )


ASIDE = 5
"""About how many solves of a deal what is asked beside it is worth."""


def check_draws(worlds: int | None, seed: int) -> None:
    """Raise QuestionError for numbers of worlds and seeds that cannot be."""
    from servanda.errors import QuestionError

    if worlds is None:
        worlds = 1
    if worlds < 1:
        raise QuestionError(f"--worlds {worlds}: at least one world is needed")
    if worlds > MAX_WORLDS:
        raise QuestionError(
            f"--worlds {worlds}: at most {MAX_WORLDS:,}; `servanda table` keeps more, on disk"
        )
    if seed < 0:
        raise QuestionError(f"--seed {seed}: a seed is a whole number from 0 on")


def present(answer: "Page", as_json: bool, out: Path | None, picture: str | None) -> int:
    """Show an answer: as a page, as JSON, or as a picture if the file's name says so."""
    if out is not None and (picture is not None or ending(out) in PICTURES):
        answer.plot(picture, out)
        print(f"written to {out}", file=sys.stderr)
    elif as_json or ending(out) == ".json":
        deliver(answer.to_json(), out)
    else:
        from servanda.show.page import print_on

        blocks = answer.blocks()
        print_rich(lambda console: print_on(blocks, console), out)
    return 0
