"""Classes in the styles of the world, those of ``foreign/``: each is found, and each is judged."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from minigan.check.find import command
from minigan.check.find.discover import search

FOREIGN = Path(__file__).parent / "foreign"
STYLES = "attributes returned two_methods networks pairs optimisers courses several guessed public"
FILES = [f"{style}.py" for style in STYLES.split()]


@pytest.mark.parametrize("file", FILES)
def test_each_class_is_found_and_what_others_are_made_from_is_none(file):
    items, passed_over = search(str(FOREIGN / file))
    names = runpy.run_path(str(FOREIGN / file))
    classes = {name for name, thing in names.items() if isinstance(thing, type)} - {"Layer", "Loss"}
    found = {item.name.partition(".")[0] for item in items}
    assert classes <= found and not passed_over
    assert set(names["WRONG"]) <= {item.name for item in items}


def cases():
    for file in FILES:
        wrong = runpy.run_path(str(FOREIGN / file))["WRONG"]
        for item in search(str(FOREIGN / file))[0]:
            yield pytest.param(item, item.name in wrong, wrong.get(item.name), id=item.name)


@pytest.mark.thorough(quick=30)
@pytest.mark.parametrize(("item", "is_wrong", "kind"), list(cases()))
def test_right_is_right_and_wrong_is_wrong(item, is_wrong, kind):
    report = item.check(0)
    assert report.findings and not report.not_checked
    assert report.ok != is_wrong, str(report)
    if is_wrong and item.kind != "optimiser":  # a line that mends it has to do so in other sizes
        first, second = report.case.subject, report.case.subject.second
        shapes = [[a.shape for a in point.inputs.values()] for point in (first, second)]
        assert shapes[0] != shapes[1]
    if kind is not None:
        assert report.diagnosis.kind == kind


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("Affine", "dx dW db"),
        ("LeftBehind", "dx dweights dbiases"),
        ("Named", "dx dW db"),
        ("Listed", "dx dparams[0] dparams[1]"),
        ("Entries", "dx dW db"),
        ("Lua", "dx dweight dbias"),
        ("TwoLayers", "dx dlayers[0].W dlayers[0].b dlayers[1].W dlayers[1].b"),
        ("Rectifier", "dx"),
    ],
)
def test_the_gradient_of_each_weight_is_compared(name, arrays):
    (item,) = search(f"{FOREIGN / 'attributes.py'}:{name}")[0]
    assert [f.array for f in item.check(0).findings if f.map == "backward"] == arrays.split()


def test_a_name_for_dy_does_not_get_into_code_that_is_quoted(tmp_path):
    file = tmp_path / "study_softmax.py"
    file.write_text(
        "import numpy as np\n\n\nclass Softmax:\n    def forward(self, x):\n"
        "        e = np.exp(x - x.max(axis=1, keepdims=True))\n"
        "        self.y = e / e.sum(axis=1, keepdims=True)\n        return self.y\n\n"
        "    def backward(self, dLdy):\n        body = (dLdy * self.y).sum(axis=0, keepdims=True)\n"
        "        return self.y * (dLdy - body)\n"
    )
    (item,) = search(str(file))[0]
    reason = item.check(0).diagnosis.reason
    assert "of study_softmax.py would be right as `body = (dLdy * self.y).sum(axis=1," in reason


def test_which_of_two_conventions_is_meant_is_not_guessed():
    (item,) = search(f"{FOREIGN / 'pairs.py'}:wrong_mixed")[0]
    reason = item.check(0).diagnosis.reason
    assert reason.startswith("dW is divided by the 5 columns, the samples, and db is not")


def test_what_is_not_checked_is_said_and_never_all_right(capsys):
    file = FOREIGN / "unknown.py"
    assert command.run([str(file)]) == command.NOT_ALL_CHECKED
    printed = capsys.readouterr().out
    assert "all right" not in printed
    for name, why in runpy.run_path(str(file))["NOT_CHECKED"].items():
        assert name in printed and why in printed


def test_the_global_generator_is_left_as_it_was():
    before = np.random.get_state()[1].copy()
    (item,) = search(f"{FOREIGN / 'attributes.py'}:Drop")[0]
    assert item.check(0).ok
    assert (np.random.get_state()[1] == before).all()


def test_a_file_of_a_package_imports_its_relatives(tmp_path):
    for name, text in {
        "course/__init__.py": "",
        "course/tools.py": "FACTOR = 2",
        "course/parts/__init__.py": "",
        "course/parts/square.py": """
from course.tools import FACTOR
from .more import twice

def square_forward(x):
    return x * x, x

def square_backward(dout, cache):
    return twice(cache) * dout
""",
        "course/parts/more.py": "from ..tools import FACTOR\ntwice = lambda x: FACTOR * x\n",
        "loose/parts/cube.py": "from tools.more import THREE\ndef cube(x):\n    return x**3\n"
        "def cube_prime(x):\n    return THREE * x**2\n",
        "loose/tools/more.py": "THREE = 3",
        "loose/broken.py": "import numpy\nfrom nowhere import something\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    path = list(sys.path)
    for file in ("course/parts/square.py", "loose/parts/cube.py"):
        (item,) = search(str(tmp_path / file))[0]
        assert item.check(0).ok
    with pytest.raises(ImportError, match=r"No module named 'nowhere' \(broken.py, line 2\)"):
        search(str(tmp_path / "loose/broken.py"))
    assert sys.path == path


def test_which_definition_was_used_is_said():
    file = FOREIGN / "optimisers.py"
    for name, note in runpy.run_path(str(file))["NOTES"].items():
        (item,) = search(f"{file}:{name}")[0]
        assert any(note in text for text in item.check(0).notes)


def test_a_setting_that_is_nowhere_is_no_mistake(tmp_path):
    (tmp_path / "one.py").write_text(
        "class SGD:\n    def step(self, theta, grad):\n        theta -= 0.1 * grad\n"
    )
    (item,) = search(str(tmp_path / "one.py"))[0]
    report = item.check(0)
    assert report.verdict == "not checked" and "no attribute holds its lr" in str(report)
