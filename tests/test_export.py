"""minigan export: the files that PyTorch takes. tests/parity has PyTorch itself read them."""

from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from running import go

from minigan import cli, load
from minigan.files.pytorch import describe, state_dict

pytestmark = pytest.mark.usefixtures("quick_runs")
FORMAT = ("--format", "pytorch-state-dict")


def minigan(*arguments):
    return cli.main([str(a) for a in arguments])


@pytest.mark.parametrize(
    ("name", "data"), [("dcgan", "digits"), ("digits", "digits"), ("conditional", "digits")]
)
def test_both_networks_are_written(name, data, capsys):
    go("a", name, data, steps=2, batch=8)
    capsys.readouterr()
    assert minigan("export", "a", *FORMAT) == 0
    out = capsys.readouterr().out
    for player in ("G", "D"):
        path = Path(f"a/{player}.pytorch.safetensors")
        net = load(f"a/{player}.safetensors")
        in_shape = net.in_shape or (8, 8, 1)
        expected, found = state_dict(net, in_shape), safetensors.numpy.load_file(path)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[key], expected[key]) for key in expected)
        source = describe(net, in_shape)
        with safetensors.safe_open(path, framework="numpy") as file:
            assert file.metadata() == {"torch.nn": source}
        assert f"{path}: the state_dict of\n{source}\n" in out
    assert "channels first" in out


def test_another_folder_may_be_named():
    go("a", "digits", "digits", steps=1)
    Path("there").mkdir()
    before = sorted(Path("a").iterdir())
    assert minigan("export", "a", *FORMAT, "--out", "there") == 0
    names = [path.name for path in sorted(Path("there").iterdir())]
    assert names == ["D.pytorch.safetensors", "G.pytorch.safetensors"]
    assert sorted(Path("a").iterdir()) == before


def test_a_layer_without_a_counterpart_is_refused_by_name_and_nothing_is_written(capsys):
    go("a", "goodfellow-2014", "digits", steps=1)
    before = sorted(Path("a").iterdir())
    capsys.readouterr()
    assert minigan("export", "a", *FORMAT) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(
        "minigan: D of a has no form in PyTorch: layer 1, a Rescale,"
    )
    assert sorted(Path("a").iterdir()) == before


def test_mistakes_are_answered(capsys):
    assert minigan("export", "nowhere", *FORMAT) == 2
    assert "nowhere holds no run" in capsys.readouterr().err
    for arguments, words in (
        (["a"], "the following arguments are required: --format"),
        (["a", "--format", "onnx"], "unknown choice 'onnx'"),
    ):
        with pytest.raises(SystemExit):
            minigan("export", *arguments)
        assert words in capsys.readouterr().err
    go("a", steps=1)
    assert minigan("export", "a", *FORMAT, "--out", "new/folder") == 0
    assert Path("new/folder/G.pytorch.safetensors").is_file()
    capsys.readouterr()
    assert minigan("export", "a", *FORMAT, "--out", "a/run.json") == 2
    assert "a/run.json" in capsys.readouterr().err
