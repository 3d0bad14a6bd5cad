"""What `minigan export` writes, read by PyTorch: the same outputs as ours."""

import numpy as np
import pytest
import safetensors
from running import go

from minigan import check, cli, load, stream

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file

pytestmark = pytest.mark.usefixtures("quick_runs")


@pytest.mark.parametrize("name", ["dcgan", "digits", "tanh-mlp", "r3", "conditional"])
def test_an_exported_run_computes_the_same(name):
    go("a", name, "digits", steps=12, batch=16)
    assert cli.main(["export", "a", "--format", "pytorch-state-dict"]) == 0
    for player in ("G", "D"):
        ours, path = load(f"a/{player}.safetensors"), f"a/{player}.pytorch.safetensors"
        with safetensors.safe_open(path, framework="pt") as file:
            theirs = eval(file.metadata()["torch.nn"], {"torch": torch})
        theirs.load_state_dict(load_file(path))
        theirs.eval()
        x = stream(0, player).standard_normal((9, *(ours.in_shape or (8, 8, 1))), dtype=np.float32)
        y, _ = ours.forward(x, train=False)
        x_t = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 else x
        with torch.no_grad():
            y_t = theirs(torch.from_numpy(x_t)).numpy()
        y_t = np.moveaxis(y_t, 1, -1) if y_t.ndim == 4 else y_t
        assert y.shape == y_t.shape and y.std() > 0
        assert check.relative_error(y, y_t) <= 1e-5
