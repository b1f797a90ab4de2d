"""What a scenario file says is what the game gets."""

import json
import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from servanda.errors import ScenarioError, ServandaError
from servanda.scenario import evaluate, json_schema, load, loads
from servanda.scenario.document import read_document

HERE = Path(__file__).parent
VALID = HERE / "valid.yaml"

SMALL = """\
title: A field
horizon: 3
parties: {a: {patience: 0.9}}
stocks: {x: {start: 0.5, next: x + 0.1*a.go}}
moves: {a: [stay, go]}
interests: {a: {gain: x}}
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as error:
        loads(text, name="f")
    return [str(finding) for finding in error.value.findings]


# --- the whole of a file --------------------------------------------------------------------


@pytest.fixture(scope="module")
def river():
    return load(VALID)


def test_a_sound_file_is_read_without_a_warning(river):
    assert river.warnings == ()
    assert river.source == VALID
    assert (river.title, river.period, river.horizon) == ("A border river", "quarter", 40)


def test_numbers_written_in_place_become_assumptions_with_a_dotted_name(river):
    patience = river.assumptions["upstream.patience"]
    assert patience.distribution.params == {"low": 0.90, "mode": 0.95, "high": 0.98}
    assert (patience.why, patience.source) == ("elections every four years", "judgement")
    assert patience.place == f"{VALID}:9:15"
    assert river.parties["upstream"].patience.names == {"upstream.patience"}
    assert river.parties["downstream"].patience.text == "0.97"


def test_a_number_that_follows_from_others_is_put_in_where_it_is_read(river):
    assert "crop_in_drought" not in river.assumptions
    harvest = river.interests["downstream"]["harvest"]
    assert {"crop", "thirst"} <= harvest.names
    env = dict.fromkeys(harvest.names, 0.0) | {"crop": 2.0, "thirst": 0.25, "water": 0.5}
    assert evaluate(harvest, env) == 2.0 * 0.75 * 0.5


def test_acuity_can_be_infinite(river):
    assert math.isinf(evaluate(river.parties["upstream"].acuity, {}))


def test_decisions_stand_in_order_of_play(river):
    assert [d.key for d in river.decisions] == [
        "upstream.price",
        "upstream.dam",
        "downstream",
        "bank",
    ]
    assert river.stages == ((0,), (1, 2), (3,))


def test_a_numeric_decision_has_values_and_is_read_as_one_number(river):
    price = river.decisions[0]
    assert price.values == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert price.indicators == ("upstream.price",)


def test_without_an_order_parties_move_as_they_are_listed():
    text = SMALL.replace("moves: {a: [stay, go]}", "moves: {a: {p: [q, r], go: [s, t]}}")
    scenario = loads(text.replace("a.go", "a.go.t*a.p.r"))
    assert [d.key for d in scenario.decisions] == ["a.p", "a.go"]
    assert scenario.stages == ((0,), (1,))


def test_a_condition_reads_definitions_as_what_they_stand_for(river):
    sabotage = river.decisions[2].option_when[2]
    assert sabotage is not None
    assert sabotage.text == "low_trust"
    assert sabotage.names == {"trust", "refused_by.upstream"}


def test_definitions_are_sorted_by_what_they_read(river):
    order = list(river.let)
    assert order.index("withheld") < order.index("kept")
    assert order.index("patience_left") < order.index("low_trust")


def test_obligations_point_at_options_in_order_of_play(river):
    never = river.obligations["release_water"]
    assert (never.kind, never.options) == ("never", ((1, 1),))
    assert river.obligations["calm"].options == ((2, 1), (2, 2))
    pay = river.obligations["pay"]
    assert (pay.kind, pay.by, pay.due, pay.survives) == ("must", 4, "release_water", True)


def test_a_proposal_resolves_every_term(river):
    treaty = river.proposals["treaty"]
    assert treaty.terms == {"release": (0.0, 0.5, 1.0), "loan": (1.5,)}
    assert treaty.levels == {"release": "phased", "loan": "1.5"}
    assert treaty.obligations == ("release_water", "calm", "pay")
    assert (treaty.opens, treaty.closes, treaty.otherwise) == (0, 3, "small_treaty")
    small = river.proposals["small_treaty"]
    assert small.terms == {"release": (0.0,), "loan": (0.0,)}
    assert small.otherwise is None


def test_hypotheses_set_assumptions_and_share_the_weight_left(river):
    assert river.hypotheses["weather"]["dry"].weight == 0.5
    assert river.distribution("greed", {"upstream_aims": "leverage"}).mode == 0.8
    assert river.distribution("power_price", {"upstream_aims": "hydropower"}).kind == "triangular"
    assert river.distribution("power_price", {"upstream_aims": "leverage"}).kind == "pert"


def test_a_lever_can_pull_at_a_number_that_was_plain(river):
    assert river.assumptions["calm.verified"].distribution.mode == 1.0
    gauges = river.levers["gauges"].sets
    assert (gauges["release_water.verified"].kind, gauges["hurry"].kind) == ("add", "multiply")
    assert river.levers["hotline"].sets["calm.verified"].amount.mode == -0.1


def test_a_claim_keeps_its_test(river):
    names = {"treaty", "upstream", "never", "bank", "crop", "crop_in_drought"}
    assert river.claims["water_first"].test.names == names


def test_formulas_may_use_words_of_python_as_options(river):
    assert "bank.yield" in river.interests["bank"]["quiet"].names


def test_a_scenario_survives_being_sent_to_another_process(river):
    again = pickle.loads(pickle.dumps(river))
    assert again.hash == river.hash
    assert evaluate(again.let["withheld"], {"upstream.dam.withhold": 1.0}) == 1.0


# --- what YAML means here -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NO", "NO"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("12:30", "12:30"),
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("5.", 5.0),
        ("010", 10),
        ("-3", -3),
        ("+0.2", "+0.2"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("2025-03-01", "2025-03-01"),
        ("true", True),
        ("True", "True"),
        ("false", False),
        ("'true'", "true"),
        ("'1'", "1"),
        ("~", None),
        ("null", None),
        ("none", "none"),
        ("inf", math.inf),
    ],
)
def test_an_unquoted_word_means_what_it_looks_like(written, meant):
    document = read_document(f"a: {written}\n", "f")
    assert document.data is not None
    value = document.data["a"]
    assert value == meant
    assert type(value) is type(meant)


def test_options_called_no_and_off_stay_words():
    scenario = loads(SMALL.replace("[stay, go]", "[no, off, go, yes, on]"))
    assert scenario.decisions[0].options == ("no", "off", "go", "yes", "on")


def test_an_empty_section_is_no_mistake():
    assert loads(SMALL + "assumptions:\nlet:\n").assumptions == {}


# --- where it comes from --------------------------------------------------------------------


def test_a_folder_stands_for_its_scenario_file(tmp_path):
    (tmp_path / "scenario.yaml").write_text(SMALL)
    assert load(tmp_path).source == tmp_path / "scenario.yaml"
    assert load(str(tmp_path)).hash == load(SMALL).hash


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    path = tmp_path / "case.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert load(path).hash == load(SMALL).hash


def test_a_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "ukraine.yaml").write_text(SMALL)
    with pytest.raises(ScenarioError, match=r"no such file; did you mean '.*ukraine\.yaml'"):
        load(tmp_path / "ukrane.yaml")


def test_a_folder_without_a_scenario_says_so(tmp_path):
    with pytest.raises(ScenarioError, match=r"scenario\.yaml: no such file"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000, "/dev/null", "/proc/self/mem"])
def test_an_impossible_path_is_a_mistake_of_the_user(name):
    with pytest.raises(ScenarioError):
        load(name)


def test_bytes_that_are_no_text_are_pointed_at(tmp_path):
    path = tmp_path / "case.yaml"
    path.write_bytes(b"title: A\nhorizon: \xff3\n")
    with pytest.raises(ScenarioError, match=r"case\.yaml:2:10: the byte 0xFF is not UTF-8"):
        load(path)


def test_an_empty_file_says_what_a_scenario_is(tmp_path):
    path = tmp_path / "case.yaml"
    path.write_bytes(b"")
    with pytest.raises(ScenarioError, match="the file is empty; a scenario is a mapping"):
        load(path)


def test_a_file_without_end_is_refused(tmp_path):
    path = tmp_path / "case.yaml"
    path.write_bytes(b"# " + b"x" * 1_100_000)
    with pytest.raises(ScenarioError, match="longer than 1,000,000 bytes"):
        load(path)


def test_the_error_is_one_a_user_can_catch_and_a_process_can_send():
    with pytest.raises(ServandaError) as error:
        loads("title: [")
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value)


# --- identity -------------------------------------------------------------------------------


def test_the_hash_changes_with_numbers_and_not_with_comments():
    scenario = loads(SMALL)
    assert loads("# a comment\n" + SMALL.replace("{a: [", "{ a:  [")).hash == scenario.hash
    assert loads(SMALL.replace("0.1*a.go", "0.2*a.go")).hash != scenario.hash


# --- warnings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "warning"),
    [
        (("interests", "assumptions: {cost: 1}\ninterests"), "nothing uses the assumption 'cost'"),
        (("interests", "let: {war: a.go}\ninterests"), "nothing uses the definition 'war'"),
        (("gain: x}", "gain: 1}"), "nothing uses the stock 'x'"),
        (("x + 0.1*a.go", "x"), "nothing depends on what 'a' decides"),
        (("{gain: x}", "{}"), "'a' chooses but has no interests, so it chooses by chance"),
        (("interests", "phases: {p: {values: [q, r]}}\ninterests"), "nothing uses the phase 'p'"),
        (
            ("interests", "terms: {t: {levels: {no: 0, yes: 1}}}\ninterests"),
            "nothing uses the term 't'",
        ),
        (
            ("interests", "proposals: {p: {signatories: [a]}}\ninterests"),
            "proposals.p changes no term and binds nobody",
        ),
    ],
)
def test_what_does_nothing_is_pointed_out(edit, warning):
    scenario = loads(SMALL.replace(*edit), name="f")
    assert warning in [finding.message for finding in scenario.warnings]
    assert all(finding.severity == "warning" for finding in scenario.warnings)


def test_an_obligation_whose_cause_is_left_out_is_pointed_out():
    scenario = loads(
        SMALL
        + "obligations:\n  one: {party: a, never: go}\n"
        + "  two: {party: a, must: stay, due: broken.one, survives: true}\n"
        + "proposals: {p: {signatories: [a], obligations: [two]}}\n"
    )
    (warning,) = scenario.warnings
    assert "'two' falls due on a breach of 'one', which proposals.p leaves out" in warning.message


def test_a_duty_that_would_end_before_it_falls_due_is_pointed_out():
    scenario = loads(
        SMALL
        + "obligations:\n  one: {party: a, never: go}\n"
        + "  two: {party: a, must: stay, due: broken.one}\n"
        + "proposals: {p: {signatories: [a]}}\n"
    )
    (warning,) = scenario.warnings
    assert "it never binds without 'survives: true'" in warning.message


REMEMBERED = (
    SMALL
    + "obligations:\n  one: {party: a, never: go}\n  two: {party: a, must: stay}\n"
    + "proposals: {p: {signatories: [a], remembered: 3}}\n"
)


@pytest.mark.parametrize(
    ("edit", "warnings"),
    [
        (("", ""), ["proposals.p.remembered: nothing depends on who refused or broke it"]),
        (("gain: x", "gain: x - refused_by.a"), []),
        (("gain: x", "gain: x - broken.two"), []),
        (("must: stay", "must: stay, survives: true"), []),
        (
            ("remembered: 3", "remembered: {refusal: 3, breach: 4}"),
            ["remembered.refusal: nothing depends", "remembered.breach: nothing depends"],
        ),
        (
            ("must: stay", "must: stay, remembered: 9"),
            ["obligations.two.remembered: nothing depends", "proposals.p.remembered: nothing"],
        ),
    ],
)
def test_a_memory_that_nothing_depends_on_is_pointed_out(edit, warnings):
    found = loads(REMEMBERED.replace(*edit) if edit[0] else REMEMBERED, name="f").warnings
    assert len(found) == len(warnings)
    for finding, words in zip(found, warnings, strict=True):
        assert words in finding.message


def test_lengths_of_memory_are_assumptions_where_they_are_uncertain():
    text = REMEMBERED.replace("gain: x", "gain: x - broken - refused_by.a")
    uncertain = loads(text.replace("remembered: 3", "remembered: {refusal: [2, 3, 4], breach: 5}"))
    assert list(uncertain.assumptions) == ["p.remembered.refusal"]
    memory = uncertain.proposals["p"].remembered
    assert (memory.refusal.text, memory.renewal) == ("p.remembered.refusal", None)
    assert memory.breach.text == "5"
    silent = loads(text.replace(", remembered: 3", "")).proposals["p"].remembered
    assert (silent.refusal, silent.renewal, silent.breach) == (None, None, None)


# --- all at once ----------------------------------------------------------------------------


def test_a_damaged_entry_hides_no_other_mistake_and_makes_no_new_one():
    said = mistakes(
        "title: A\nhorizon: 3\n"
        "parties: {a: {patience: 0.9, colour: red}}\n"
        "stocks: {x: {strt: 0.5, next: x + y}, z: {start: 0.5, next: x + q}}\n"
        "interests: {a: {gain: x + a.og}}\nmoves: {a: [stay, go]}\n"
    )
    assert said == [
        "f:3:30: unknown key 'colour' in parties.a; known here: patience, acuity, stakes, label",
        "f:4:14: unknown key 'strt' in stocks.x; did you mean 'start'?",
        "f:4:35: unknown name 'y' in stocks.x.next",
        "f:4:65: unknown name 'q' in stocks.z.next",
        "f:5:27: unknown name 'a.og' in interests.a.gain; did you mean 'a.go'?",
    ]


def test_findings_come_in_the_order_of_the_file():
    path = HERE / "broken" / "many_mistakes.yaml"
    with pytest.raises(ScenarioError) as error:
        load(path)
    places = [(finding.line, finding.column) for finding in error.value.findings]
    assert places == sorted(places)


def test_a_term_may_be_given_by_age_in_a_proposal():
    scenario = loads(
        SMALL.replace("gain: x", "gain: x + t")
        + "terms: {t: {range: [0, 1], now: 0}}\n"
        + "proposals: {p: {signatories: [a], terms: {t: [0.2, 0.6, 1]}}}\n"
    )
    assert scenario.proposals["p"].terms["t"] == (0.2, 0.6, 1.0)


def test_a_patience_of_one_is_right_when_nothing_counts_past_the_end():
    text = SMALL.replace("patience: 0.9", "patience: [0.9, 0.95, 1]")
    assert mistakes(text) == [
        "f:3:25: the patience of 'a' can reach 1; keep it below 1, or write terminal: zero"
    ]
    assert loads("terminal: zero\n" + text).terminal == "zero"


def test_bounds_hold_for_every_hypothesis():
    text = SMALL.replace("start: 0.5", "start: where") + (
        "hypotheses: {g: {one: {where: 0.5}, two: {where: [0.5, 0.9, 1.2]}}}\n"
    )
    assert mistakes(text) == [
        "f:4:21: stocks.x.start must be between 0 and 1, but can be 1.2 when where = 1.2"
    ]


# --- editors and start-up -------------------------------------------------------------------


def test_the_schema_is_for_editors():
    schema = json_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["required"] == ["title", "horizon", "parties"]
    assert "while" in json.dumps(schema["$defs"]["ObligationSection"])
    assert set(schema["properties"]) >= {"parties", "stocks", "moves", "proposals", "claims"}
    assert schema["additionalProperties"] is False


def test_reading_a_scenario_waits_for_no_heavy_library():
    code = (
        "import sys; from servanda.scenario.load import load; load(sys.argv[1]);"
        "print(sorted({'jax', 'scipy', 'xarray', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(VALID)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_modal_start_is_the_one_written(river):
    start = river.stocks["water"].start
    assert float(np.asarray(evaluate(start, {"water.start": 0.5}))) == 0.5


def test_loadings_on_disturbances_are_numbers_with_dotted_names():
    """Its own bears the stock's name; an uncertain loading is an assumption for levers to set."""
    text = VALID.read_text(encoding="utf-8")
    loadings = "{own: 0.02, storm: [-0.2, -0.1, 0.1], thaw: leak/2}"
    text = text.replace("shock: 0.02", f"shock: {loadings}")
    text = text.replace('hurry: "*0.5"', 'water.shock.own: "*0.5"')
    scenario = loads(text)
    shock = scenario.stocks["water"].shock
    assert {name: f.text for name, f in shock.items() if name != "thaw"} == {
        "water": "water.shock.own",
        "storm": "water.shock.storm",
    }
    assert shock["thaw"].names == {"leak"}
    assert scenario.assumptions["water.shock.own"].distribution.mode == 0.02
    assert scenario.assumptions["water.shock.storm"].distribution.low == -0.2
    assert scenario.stocks["trust"].shock == {}
    assert not scenario.warnings
