"""`minigan train` on many processes: rank 0 alone writes and speaks, and all end together."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from running import same
from test_ranks import MPIEXEC, Alone, needs_mpi

from minigan.ranks import Ranks
from minigan.runs import parallel
from minigan.runs.checkpoint import checkpoints
from minigan.runs.history import read_history
from minigan.runs.parallel import Leader, ranks_of_job

TRAIN = [sys.executable, "-W", "error", "-m", "minigan", "train", "--quiet"]
RING = ["--data", "ring", "--batch", "24", "--save-every", "0"]


def start(n, *arguments, cwd):
    """Start the command on n ranks, or on none of MPI's for n = 0."""
    return subprocess.Popen(
        [*([MPIEXEC, "-n", str(n)] if n else []), *TRAIN, *arguments],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
    )


def minigan(n, *arguments, cwd):
    """Run the command; return its exit code and what it has printed."""
    process = start(n, *arguments, cwd=cwd)
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Give a folder with runs of one process and of two ranks, "whole" and "part"."""
    if MPIEXEC is None:
        pytest.skip("needs mpiexec")
    folder = tmp_path_factory.mktemp("runs")
    for n, out, steps in ((0, "alone", 6), (2, "whole", 6), (2, "part", 3)):
        code, printed, errors = minigan(n, *RING, "--steps", str(steps), "--out", out, cwd=folder)
        assert code == 0, errors
        assert printed.count("weights: G") == 1 and not errors
    return folder


@needs_mpi
def test_two_ranks_write_one_run_and_begin_as_one_process_does(folders):
    assert sorted(path.name for path in folders.iterdir()) == ["alone", "part", "whole"]
    alone, whole = (read_history(folders / name / "history.csv") for name in ("alone", "whole"))
    assert len(whole["step"]) == 6
    for name in ("loss_D", "D_real", "D_fake", "grad_D"):  # before anything has moved
        assert whole[name][0] == pytest.approx(alone[name][0], rel=1e-5)


@pytest.mark.thorough
@needs_mpi
def test_a_run_goes_on_with_any_number_of_ranks(folders, tmp_path):
    for n in (2, 0, 3):
        shutil.copytree(folders / "part", tmp_path / str(n))
        code, printed, errors = minigan(n, "--resume", str(n), "--steps", "6", cwd=tmp_path)
        assert code == 0, errors
        assert ("ranks 2 → " in printed) == (n != 2)
        assert printed.count("resuming") == 1
    shutil.copytree(folders / "whole", tmp_path / "whole")
    for name in ("2", "whole"):
        os.replace(tmp_path / name, tmp_path / "run")  # its name is in the pictures
        shutil.copytree(tmp_path / "run", tmp_path / "named" / name / "run")
        shutil.rmtree(tmp_path / "run")
    same(tmp_path / "named" / "2" / "run", tmp_path / "named" / "whole" / "run")


@needs_mpi
def test_a_batch_that_can_not_be_shared_is_refused_once(tmp_path):
    code, printed, errors = minigan(3, "--data", "ring", "--batch", "32", cwd=tmp_path)
    assert code == 2 and not printed and not list(tmp_path.iterdir())
    assert errors == (
        "minigan: 3 ranks can't share a batch of 32 evenly; take a batch of 33, or another number "
        "of ranks\n"
    )


@pytest.mark.thorough
@needs_mpi
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="finds the ranks in /proc")
def test_a_rank_that_is_killed_ends_the_job_which_goes_on_from_its_checkpoint(tmp_path):
    process = start(2, *RING, "--steps", "1000000", "--out", "run", cwd=tmp_path)
    try:
        wait_for(lambda: checkpoints(tmp_path / "run"))
        os.kill(ranks_below(process.pid)[-1], signal.SIGKILL)
        out, _ = process.communicate(timeout=60)  # not after a million steps
    finally:
        process.kill()
    assert process.returncode != 0
    assert "  mpiexec -n 2 minigan train --resume run\n" in out
    step = next(iter(checkpoints(tmp_path / "run")))
    code, printed, _ = minigan(0, "--resume", "run", "--steps", str(step), cwd=tmp_path)
    assert code == 0 and f"at step {step:,} of {step:,}" in printed


@pytest.mark.thorough
@needs_mpi
def test_ctrl_c_ends_all_ranks_behind_one_step(tmp_path):
    process = start(2, *RING, "--steps", "1000000", "--out", "run", cwd=tmp_path)
    try:
        wait_for(lambda: checkpoints(tmp_path / "run"))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "interrupted: " in out
    written = len(read_history(tmp_path / "run" / "history.csv")["step"])
    assert written == next(iter(checkpoints(tmp_path / "run")))


def wait_for(condition):
    """Wait until something is there, a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def ranks_below(pid):
    """Return the processes of Python below this one."""
    parents = {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(entry)}/stat") as file:
                parents[int(entry)] = int(file.read().rpartition(")")[2].split()[1])
    below = {pid}
    for _ in range(4):
        below |= {child for child, parent in parents.items() if parent in below}
    return sorted(p for p in below - {pid} if is_python(p))


def is_python(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return b"minigan\0train" in file.read() and pid != os.getpid()
    return False


class Job(Alone):
    """A communicator that notes what it is asked for."""

    rank = 0

    def __init__(self):
        self.asked = []

    def bcast(self, what, root):
        self.asked.append(what)

    def Abort(self, code):
        self.asked.append(code)


def test_an_error_between_steps_tells_the_followers_to_end():
    job = Job()
    with pytest.raises(ValueError, match="no such data"), Leader(Ranks(job)):
        raise ValueError("no such data")
    assert job.asked == [parallel.END]


def test_an_error_within_a_step_ends_the_job(capsys):
    job = Job()

    class Nothing:
        theta = state = np.zeros(0)

        def state_dict(self):
            return {}

    class Setup:
        G = D = optimiser_G = optimiser_D = Nothing()

    def train(make_game):
        raise MemoryError("too little")
        yield

    with pytest.raises(MemoryError), Leader(Ranks(job)) as leader:
        next(leader.steps(Setup(), 3, 9, 1, train))
    snapshot, restores = job.asked[0]
    assert (snapshot.step, restores) == (3, 1)
    assert job.asked[1:3] == [parallel.STEP, parallel.LOST]
    said = capsys.readouterr().err
    assert said.startswith("minigan: MemoryError on rank 0: too little\n") and "--resume" in said


def test_without_mpiexec_nothing_of_mpi_is_asked_for(monkeypatch):
    for name in ("PMI_SIZE", "PMIX_RANK", "OMPI_COMM_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert ranks_of_job() is None
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(ImportError, match=r"minigan\[mpi\]"):
        ranks_of_job()
