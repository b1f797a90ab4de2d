"""A page of plain text: headings, paragraphs, columns and charts, on any console.

In come blocks whose words may stem from a scenario file; out go lines that fit the console. Nothing
in them is taken as markup, control characters never reach the terminal, and a console that cannot
show more gets plain ASCII.
"""

from __future__ import annotations

import io
import textwrap
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDEST = 100
"""Longer lines of prose are hard to read."""


@dataclass(frozen=True)
class Heading:
    """The title of a section, and what holds for all its figures."""

    words: str
    remark: str = ""


@dataclass(frozen=True)
class Paragraph:
    """Running text; `hang` indents every line after the first."""

    words: str
    style: str = ""
    indent: int = 2
    hang: int = 0


@dataclass(frozen=True)
class Columns:
    """A table: names in the first column, figures or words in the others."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A picture of characters: a function of the width and of whether only ASCII may be used."""

    draw: Callable[[int, bool], str]


Block: TypeAlias = Heading | Paragraph | Columns | Chart


def print_page(blocks: Iterable[Block], console: Console, *, ascii_only: bool = False) -> None:
    """Print the blocks one below the other, an empty line before every heading."""
    width = min(console.width, WIDEST)
    for block in blocks:
        if isinstance(block, Heading):
            _heading(block, console, width, ascii_only)
        elif isinstance(block, Paragraph):
            _paragraph(block, console, width, ascii_only)
        elif isinstance(block, Columns):
            _columns(block, console, width, ascii_only)
        else:
            for line in block.draw(width - 2, ascii_only).splitlines():
                console.print(_text(f"  {line.rstrip()}", ascii_only), soft_wrap=True)


def print_on(blocks: Iterable[Block], console: Console) -> None:
    """Print the blocks; plain ASCII where the console cannot show more."""
    print_page(blocks, console, ascii_only=console.options.ascii_only)


def as_text(blocks: Iterable[Block], width: int = 80, *, ascii_only: bool = False) -> str:
    """The page as a string of lines at most `width` wide."""
    page = io.StringIO()
    console = Console(width=width, file=page, no_color=True, highlight=False, force_terminal=False)
    print_page(blocks, console, ascii_only=ascii_only)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def _heading(block: Heading, console: Console, width: int, ascii_only: bool) -> None:
    console.print()
    line = _text(block.words.upper(), ascii_only, "bold")
    if block.remark and len(block.words) + len(block.remark) + 2 <= width:
        console.print(line + _text(f"  {block.remark}", ascii_only, "dim"), soft_wrap=True)
        return
    console.print(line, soft_wrap=True)
    if block.remark:
        _paragraph(Paragraph(block.remark, "dim"), console, width, ascii_only)


def _paragraph(block: Paragraph, console: Console, width: int, ascii_only: bool) -> None:
    lines = textwrap.wrap(
        block.words,
        max(width - block.indent, 20),
        subsequent_indent=" " * block.hang,
        break_on_hyphens=False,
    )
    for line in lines:
        console.print(_text(" " * block.indent + line, ascii_only, block.style), soft_wrap=True)


def _columns(block: Columns, console: Console, width: int, ascii_only: bool) -> None:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for k, head in enumerate(block.heads):
        words = k == 0 or any(len(row[k]) > 18 for row in block.rows)
        grid.add_column(
            _text(head, ascii_only), justify="left" if words else "right", overflow="fold"
        )
    for row in block.rows:
        grid.add_row(*(_text(cell, ascii_only) for cell in row))
    console.print(Padding(grid, (0, 0, 0, 2), expand=False), width=width)


def _text(words: str, ascii_only: bool, style: str = "") -> Text:
    safe = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    return Text(plain_letters(safe) if ascii_only else safe, style=style)


_PLAIN = str.maketrans(
    {"–": "-", "−": "-", "—": "-", "…": "...", "’": "'", "×": "x", "±": "+/-", "λ": "lambda"}
)


def plain_letters(words: str) -> str:
    """The nearest ASCII: accents dropped, dashes and signs spelled, the rest a question mark."""
    apart = unicodedata.normalize("NFKD", words.translate(_PLAIN))
    letters = "".join(c for c in apart if not unicodedata.combining(c))
    return letters.encode("ascii", "replace").decode("ascii")
