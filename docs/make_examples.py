"""Make every example output and picture in README and docs again.

    .venv/bin/python docs/make_examples.py [PAGE …]

An example is a fenced block after a line `<!-- made by: servanda … -->`; a picture is named by a
line `<!-- drawn by: servanda … --picture NAME --out docs/images/NAME.svg -->`. Each command is run
from the root of the project, and the block is written anew. Without pages all are made, which takes
a while: the longest ask for thousands of solves.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
MADE = re.compile(r"(<!-- made by: servanda (.*?) -->\n+```text\n)(.*?)(```)", re.S)
DRAWN = re.compile(r"<!-- drawn by: servanda (.*?) -->")


def pages() -> list[Path]:
    """The pages with examples."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [p for p in found if "made by: servanda" in p.read_text(encoding="utf-8")]


def output(arguments: str) -> str:
    """What a command prints on a terminal of 80 columns."""
    environment = os.environ | {"COLUMNS": "80", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "servanda.cli", *shlex.split(arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"servanda {arguments}: exit {done.returncode}")
    return done.stdout


def remade(page: Path) -> str:
    """A page with its examples made again."""
    text = page.read_text(encoding="utf-8")
    for arguments in DRAWN.findall(text):
        output(arguments)

    def block(found: re.Match[str]) -> str:
        began = time.monotonic()
        made = found[1] + output(found[2]) + found[4]
        print(
            f"{page.name}: servanda {found[2]}: {time.monotonic() - began:.0f} s", file=sys.stderr
        )
        return made

    return MADE.sub(block, text)


def main(names: list[str]) -> None:
    """Write the pages."""
    for page in pages():
        if not names or page.name in names:
            page.write_text(remade(page), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
