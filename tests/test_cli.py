"""The command line: what a person types, what comes back, and how mistakes are said."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import servanda
from questions.answers import made_up
from servanda.cli import main
from servanda.questions.assessment import Assessment

SOUND = """
title: A truce
horizon: 4
period: year
parties: {a: {patience: 0.9}, b: {patience: 0.9}}
assumptions: {gain: 0.5}
moves: {a: [hold, attack], b: [hold, attack]}
interests: {a: {war: gain*a.attack - b.attack}, b: {war: gain*b.attack - a.attack}}
terms: {watch: {levels: {none: 0, some: 1}}}
obligations: {quiet: {party: a, never: attack, while: watch}}
proposals:
  truce: {text: "Hold.", proposer: a, signatories: [a, b], terms: {watch: some}}
  other: {text: "Hold.", proposer: b, signatories: [a, b], terms: {watch: some}}
"""

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def case(tmp_path: Path) -> str:
    (tmp_path / "scenario.yaml").write_text(SOUND)
    return str(tmp_path)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Put something in the place of `assess`, so that only the command line is under test."""

    def place(ask: Any) -> None:
        question = ModuleType("servanda.questions.assess")
        question.assess = ask  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "servanda.questions.assess", question)

    return place


def stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys, servanda, servanda.cli\n"
        "slow = {'jax', 'numpy', 'scipy', 'xarray', 'pandas', 'pydantic', 'vl_convert'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    assert "load" in dir(servanda)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = servanda.laod


def test_a_sound_scenario_passes(case: str, capsys: Capture) -> None:
    assert main(["check", case, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["sound"] is True
    assert said["findings"] == []
    assert "a world" in said["size"]


def test_every_mistake_is_a_line_with_its_place(case: str, capsys: Capture) -> None:
    file = Path(case) / "scenario.yaml"
    file.write_text(SOUND.replace("gain*a.attack", "gian*a.attack").replace("horizon: 4", ""))
    assert main(["check", case]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert any("scenario.yaml:8:" in line and "did you mean 'gain'?" in line for line in lines)
    assert lines[-1].endswith("2 errors, 0 warnings")
    assert main(["assess", case, "--deal", "truce"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_warnings_alone_give_exit_code_one(case: str, capsys: Capture) -> None:
    file = Path(case) / "scenario.yaml"
    file.write_text(SOUND.replace("{gain: 0.5}", "{gain: 0.5, idle: 1}"))
    assert main(["check", case]) == 1
    assert "(warning)" in capsys.readouterr().out


def test_a_scenario_cannot_steer_the_terminal(case: str, capsys: Capture) -> None:
    file = Path(case) / "scenario.yaml"
    file.write_text(SOUND.replace("period: year", 'period: "\\e[31m\\u202eyear"'))
    assert main(["check", case]) == 2
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["assess", "--deal", "trucee"], "unknown deal 'trucee'; did you mean 'truce'?"),
        (["assess", "--deal", "truce", "--for", "q"], "unknown party 'q'; there are: a, b"),
        (["assess"], "which deal? Name one with --deal. In this scenario: truce, other"),
        (["assess", "--deal", "truce", "--worlds", "0"], "--worlds 0"),
        (["assess", "--deal", "truce", "--seed", "-1"], "--seed -1"),
        (["assess", "--deal", "truce", "--worlds", "many"], 'unable to convert "many" into int'),
        (["assess", "--del", "truce"], "Did you mean --deal?"),
        (["asess"], 'Did you mean "assess"?'),
        (["check", "--out", "/no/such/folder/file"], "there is no folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(
    case: str, capsys: Capture, typed: list[str], said: str
) -> None:
    assert main([typed[0], case, *typed[1:]]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert said in captured.err


def test_what_is_read_is_not_written_over(case: str, capsys: Capture) -> None:
    file = Path(case) / "scenario.yaml"
    for given in (case, str(file)):
        assert main(["check", given, "--out", str(file)]) == 2
        assert "is what is to be read" in capsys.readouterr().err
    assert file.read_text() == SOUND


def test_a_game_that_is_too_large_is_a_finding_like_others(case: str, capsys: Capture) -> None:
    file = Path(case) / "scenario.yaml"
    file.write_text(SOUND.replace("while: watch}", "while: watch, tolerance: 3000}"))
    assert main(["check", case, "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["sound"] is False
    assert "lower `tolerance:`" in said["findings"][0]["message"]


def test_a_terminal_of_no_width_gets_the_page_all_the_same(
    case: str,
    answer: Callable[[Any], None],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    answer(lambda *_, **__: made_up())
    assert main(["assess", case, "--deal", "truce"]) == 0
    assert "HOW LONG IT HOLDS" in capsys.readouterr().out


def test_the_schema_is_written_whole(tmp_path: Path, capsys: Capture) -> None:
    assert main(["schema", "--out", str(tmp_path / "schema.json")]) == 0
    assert "$defs" in json.loads((tmp_path / "schema.json").read_text())
    assert [p.name for p in tmp_path.iterdir()] == ["schema.json"]
    assert main(["schema", "--out", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


def test_an_answer_goes_to_the_terminal_or_a_file(
    case: str, answer: Callable[[Any], None], capsys: Capture
) -> None:
    asked: dict[str, Any] = {}
    found = made_up()

    def ask(scenario: Any, deal: str, **options: Any) -> Assessment:
        asked.update(options, deal=deal)
        options["progress"](1, 2)
        return found

    answer(ask)
    typed = ["assess", case, "--deal", "truce", "--for", "b", "--worlds", "3", "--fine"]
    assert main(typed) == 0
    assert capsys.readouterr().out.startswith("A border truce")
    assert {k: v for k, v in asked.items() if k != "progress"} == {
        "deal": "truce",
        "party": "b",
        "worlds": 3,
        "seed": 0,
        "fine": True,
        "folder": None,
    }
    assert main([*typed, "--json"]) == 0
    assert capsys.readouterr().out == found.to_json() + "\n"
    for name, text in (("a.json", found.to_json()), ("a.txt", found.text(100))):
        assert main([*typed, "--out", f"{case}/{name}"]) == 0
        assert (Path(case) / name).read_text() == text + "\n"
    drawn = f"{case}/worth.json"
    assert main([*typed, "--picture", "worth", "--out", drawn]) == 0
    assert json.loads(Path(drawn).read_text()) == found.plot("worth")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--picture", "wroth", "--out", "a.svg"], "did you mean 'worth'"),
        (["--picture", "worth"], "a picture needs --out"),
    ],
)
def test_a_picture_that_cannot_be_is_refused_before_anything_is_solved(
    case: str, answer: Callable[[Any], None], capsys: Capture, typed: list[str], said: str
) -> None:
    answer(stop)
    assert main(["assess", case, "--deal", "truce", *typed]) == 2
    assert said in capsys.readouterr().err


def test_an_interruption_is_not_a_traceback(
    case: str, answer: Callable[[Any], None], capsys: Capture
) -> None:
    answer(stop)
    assert main(["assess", case, "--deal", "truce"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
