"""Pages that are made from the code say what the code does."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_scenario_reference_is_made_from_the_schema() -> None:
    made = runpy.run_path(str(DOCS / "make_reference.py"))["page"]()
    written = (DOCS / "scenario-reference.md").read_text(encoding="utf-8")
    assert made == written, "run .venv/bin/python docs/make_reference.py"
