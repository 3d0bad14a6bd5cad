"""The list of planted bugs: each can be planted, and the checks find it and call it by its name."""

import ast

import mutants
import planted
import pytest

import minigan
from minigan.check.diagnose import repair
from minigan.check.diagnose.explain import KINDS

BUGS = planted.read()
SAMPLE = BUGS[::15]


def test_the_list_is_long_and_about_everything():
    assert len(BUGS) >= 60
    assert len({(bug.file, bug.old, bug.new) for bug in BUGS}) == len(BUGS)
    public = [
        item
        for floor in (planted.LAYERS, planted.LOSSES, planted.PENALTIES, planted.OPTIMISERS)
        for item in floor
    ]
    # A network and a wrapper around a layer are made of others, and are planted in as they are.
    missing = {kind.__name__ for kind in public} - {bug.item for bug in BUGS}
    assert not missing, missing


def test_each_kind_is_one_that_a_diagnosis_can_have():
    optimisers = {kind.__name__ for kind in planted.OPTIMISERS}
    for bug in BUGS:
        kinds = [bug.kind] if isinstance(bug.kind, str) else bug.kind
        known = set(KINDS) | ({"bias correction"} if bug.item in optimisers else set())
        assert set(kinds) <= known, bug
        assert "unknown" not in kinds, bug


@pytest.mark.thorough(quick=4)
@pytest.mark.parametrize("file", sorted({bug.file for bug in BUGS}))
def test_each_bug_can_be_planted(file):
    text = (planted.PACKAGE / file).read_text(encoding="utf-8")
    for bug in BUGS:
        if bug.file == file:
            assert text.count(bug.old) == 1, f"{bug.what}: occurs {text.count(bug.old)} times"
            changed = text.replace(bug.old, bug.new)
            assert changed != text and ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
            assert hasattr(bug.plant(), bug.item), bug.what


@pytest.mark.parametrize(("where", "was"), sorted({m[:2] for m in mutants.listed()}))
def test_each_equivalent_mutant_changes_a_line_that_is_there(where, was):
    module, *names = where.split(".")
    path = planted.PACKAGE / module
    while path.is_dir():
        path /= names.pop(0)
    text = path.with_suffix(".py").read_text(encoding="utf-8")
    node = ast.parse(text)
    for name in names:
        node = next(n for n in node.body if getattr(n, "name", None) == name)
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    assert was in [line.strip() for line in lines]


def test_what_occurs_twice_is_refused_with_its_cure():
    bug = planted.Bug("twice", "layers/dense.py", "self", "it", "Dense", "sign")
    with pytest.raises(ValueError, match="expected once; has the code changed"):
        bug.plant()


def test_planting_leaves_the_library_as_it_is():
    bug = next(bug for bug in BUGS if bug.item == "Dense")
    text = (planted.PACKAGE / bug.file).read_text(encoding="utf-8")
    module = bug.plant()
    assert module.Dense is not minigan.Dense
    assert (planted.PACKAGE / bug.file).read_text(encoding="utf-8") == text
    assert minigan.check.layer(minigan.Dense(3, 2)).ok
    assert not minigan.check.layer(module.Dense(3, 2)).ok


def test_without_a_bug_nothing_is_reported():
    """What finds the bugs finds none in code that says the same in other words."""
    harmless = {
        "Dense": ("layers/dense.py", "sum_rows(dy)", "0 + sum_rows(dy)"),
        "Adam": ("optim/rules.py", "class Adam(", "class Adam(  # as ever\n    "),
        "R1": ("penalties.py", "class R1(", "class R1(  # as ever\n    "),
    }
    for item, (file, old, new) in harmless.items():
        bug = planted.Bug("nothing", file, old, new, item, "sign")
        assert bug.report() is None, item


@pytest.mark.thorough(quick=5)
@pytest.mark.parametrize("bug", SAMPLE, ids=lambda bug: f"{bug.item}: {bug.what}")
def test_a_sample_of_the_bugs_is_caught_and_diagnosed(bug, monkeypatch):
    monkeypatch.setattr(repair, "LINES", 300_000)  # a name is for the slow test to ask for
    report = bug.report()
    assert report is not None, "not caught"
    assert not report.ok and report.diagnosis is not None
    assert report.diagnosis.kind in KINDS or report.diagnosis.kind == "bias correction"
    last = str(report).splitlines()[-1]
    assert last.startswith(("  most likely: ", "  no known pattern fits "))


def test_the_name_has_to_be_of_the_right_array():
    bug = planted.Bug("", "", "", "", "Dense", ["sign", "factor"], "dW")
    said = lambda kind, where: minigan.check.Diagnosis(kind, where, "")  # noqa: E731
    assert bug.named_by(said("sign", "backward dW")) and bug.named_by(said("factor", "backward dW"))
    assert not bug.named_by(said("sign", "backward db")) and not bug.named_by(None)
    assert not bug.named_by(said("axis", "backward dW"))


@pytest.mark.slow
def test_the_goals_are_met(capsys):
    code = planted.main([])
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "twin",
    [
        pytest.param(twin, id=twin.what, marks=[pytest.mark.slow] if twin.slow else [])
        for twin in planted.twins()
    ],
)
def test_a_slip_is_wrong_and_its_twin_is_right(twin, tmp_path):
    for report in twin.reports(twin.right, tmp_path, seeds=1):
        assert report.verdict == "ok", report
    assert "WRONG" in [report.verdict for report in twin.reports(twin.wrong, tmp_path, seeds=1)]


@pytest.mark.slow
def test_most_slips_are_named_with_a_line_that_mends_them(tmp_path):
    how = [twin.judge(tmp_path)[0] for twin in planted.twins()]
    assert how.count("named") >= 0.85 * len(how), how
