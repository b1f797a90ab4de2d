"""Which kind of file is this, and what table does it hold?

In: one file, several, or a folder. Out: a `Table`. The kind is seen from the ending and the top of
the file: Genius XML, GeniusWeb JSON, NegMAS YAML, the project's own YAML, CSV, or the plain-text
scoreable games. A domain by itself is completed by the profiles beside it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from servanda.errors import Finding, QuestionError, ScenarioError
from servanda.scenario.load import FILE_NAME
from servanda.tables.points import document, genius, geniusweb, negmas, scoreable, sheet
from servanda.tables.points.model import MAX_PARTIES, Table
from servanda.tables.points.reading import Reader, fail

ENDINGS = (".yaml", ".yml", ".csv", ".xml", ".json", ".txt")
PathLike = str | os.PathLike[str]


def load(source: PathLike | Sequence[PathLike], *, normalise: bool = True) -> Table:
    """The table in a file, in several files, or in a folder.

    `normalise` is for Genius XML only: whether evaluations are divided by the issue's largest, as
    Genius does.

    Raises:
        ScenarioError: a mistake in a file, in one line with its place.
        QuestionError: a kind of file that is not read.
        OSError: a file cannot be read.
    """
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths = [Path(path) for path in given]
    if not paths:
        raise QuestionError("no file to read")
    if len(paths) == 1 and paths[0].is_dir():
        paths = _of_folder(paths[0])
    for path in paths:
        if path.is_dir():
            raise QuestionError(f"{path} is a folder: name the files in it, or it alone")
        if not path.exists():
            raise QuestionError(f"{path}: there is no such file")
    if len(paths) > MAX_PARTIES + 2:
        raise QuestionError(f"{len(paths)} files; at most {MAX_PARTIES + 2} are read together")
    endings = {path.suffix.lower() for path in paths}
    if len(endings) > 1:
        raise QuestionError(f"files of different kinds: {', '.join(sorted(endings))}")
    ending = endings.pop()
    try:
        match ending:
            case ".xml":
                return _xml(paths, normalise)
            case ".json":
                return _json(paths)
            case ".txt":
                config = [path for path in paths if path.stem == "config"]
                scores = [path for path in paths if path.stem != "config"]
                if not scores:
                    fail(paths[0], 0, 0, "no score files: one for each party is needed")
                found = config[0] if config else _config(scores[0])
                if len(scores) == 1 and found is not None:
                    scores = sorted(p for p in scores[0].parent.glob("*.txt") if p != found)
                return scoreable.load(scores, found)
            case ".csv":
                return sheet.load(_only(paths))
            case ".yaml" | ".yml":
                return _yaml(paths)
    except QuestionError as error:
        raise ScenarioError([_finding(paths[0], error)]) from error
    raise QuestionError(
        f"{paths[0]}: a file ending in '{ending}' is not read; {', '.join(ENDINGS)} are"
    )


def _finding(path: Path, error: QuestionError) -> Finding:
    return Finding(str(path), 0, 0, str(error))


def _of_folder(folder: Path) -> list[Path]:
    """The files of a table in a folder: a scenario, or all of the one kind that is there."""
    if (folder / FILE_NAME).is_file():
        return [folder / FILE_NAME]
    inner = folder / "scores_files"
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
    if inner.is_dir():
        scores = sorted(p for p in inner.iterdir() if p.suffix == ".txt")
        config = folder / "config.txt"
        return [*scores, config] if config.is_file() else scores
    kinds = sorted({p.suffix.lower() for p in found if p.stem.lower() != "readme"})
    kinds = [k for k in kinds if k != ".txt"] if len(kinds) > 1 else kinds
    if len(kinds) != 1:
        there = ", ".join(kinds) or "none of " + ", ".join(ENDINGS)
        raise QuestionError(f"{folder}: files of one kind are needed; there are: {there}")
    return [p for p in found if p.suffix.lower() == kinds[0]]


def _only(paths: list[Path]) -> Path:
    if len(paths) > 1:
        raise QuestionError(f"{len(paths)} CSV files; a table is one")
    return paths[0]


def _xml(paths: list[Path], normalise: bool) -> Table:
    domains = [path for path in paths if not genius.is_profile(path)]
    profiles = [path for path in paths if path not in domains]
    if len(domains) > 1:
        fail(domains[1], 1, 1, f"a second domain; the first is {domains[0].name}")
    if not domains:
        fail(paths[0], 1, 1, "profiles without a domain: name the negotiation_template file too")
    if not profiles:
        beside = sorted(p for p in domains[0].parent.glob("*.xml") if p != domains[0])
        profiles = [path for path in beside[:MAX_PARTIES] if genius.is_profile(path)]
    return genius.load(domains[0], profiles, normalise=normalise)


def _json(paths: list[Path]) -> Table:
    if len(paths) == 1 and "issuesValues" in Reader(paths[0], geniusweb.WHAT).data:
        beside = sorted(p for p in paths[0].parent.glob("*.json") if p != paths[0])
        paths = [*paths, *beside[:MAX_PARTIES]]
    return geniusweb.load(paths)


def _yaml(paths: list[Path]) -> Table:
    first = Reader(paths[0], document.WHAT)
    if len(paths) == 1 and ("points" in first.data or not negmas.is_negmas(first.data)):
        return document.read(first)
    if len(paths) == 1 and isinstance(first.data.get("issues"), list):
        beside = sorted(p for p in paths[0].parent.iterdir() if p.suffix == paths[0].suffix)
        paths = [*paths, *(p for p in beside if p != paths[0])][: MAX_PARTIES + 1]
    if not negmas.is_negmas(first.data):
        raise QuestionError(f"{len(paths)} files, and this one is a whole table: name it alone")
    return negmas.load(paths)


def _config(score: Path) -> Path | None:
    """`config.txt` beside the score files or one folder up, as the published games have it."""
    for folder in (score.parent, score.parent.parent):
        if (folder / "config.txt").is_file():
            return folder / "config.txt"
    return None
