"""The history file: numbers come back exactly, rows are whole, the GPU is not waited for."""

import time
import tracemalloc

import numpy as np
import pytest

from minigan import stream
from minigan.loop import Record
from minigan.runs.history import COLUMNS, MEASURED, VITAL, History, read_history
from minigan.runs.metrics import METRICS


def a_record(step, values=None, asarray=np.asarray):
    values = np.arange(len(MEASURED) - 2) + step / 3 if values is None else values
    measured = {n: asarray(v) for n, v in zip(MEASURED[2:], values, strict=True)}
    return Record(step, 1 + step // 10, measured)


def rows(path):
    return path.read_text().splitlines()[1:]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_come_back_exactly(tmp_path, dtype):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((250, 7)) * 10.0 ** rng.integers(-30, 30, (250, 7))
    values[0] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1 / 3, 1e-45]
    values = values.astype(dtype)
    with History(tmp_path / "h.csv") as history:
        for i, row in enumerate(values):
            history.add(a_record(i + 1, row))
    columns = read_history(tmp_path / "h.csv")
    assert tuple(columns) == COLUMNS
    np.testing.assert_array_equal(columns["step"], np.arange(1, 251))
    np.testing.assert_array_equal(columns["epoch"], 1 + np.arange(1, 251) // 10)
    for name, column in zip(MEASURED[2:], values.T, strict=True):
        np.testing.assert_array_equal(columns[name], column.astype(np.float64))


def test_what_was_not_computed_is_empty_and_comes_back_as_nan(tmp_path):
    with History(tmp_path / "h.csv") as history:
        for step in (1, 2, 3):
            record = a_record(step)
            if step == 2:
                record.measured["accuracy"] = np.float32(0.75)
            if step == 3:  # computed, and no number
                record.measured["reverse_KL"] = np.float32(np.nan)
            history.add(record)
    first, second, third = rows(tmp_path / "h.csv")
    assert first.endswith("," * len(METRICS)) and ",0.75,," in second and third.endswith(",nan")
    columns = read_history(tmp_path / "h.csv")
    np.testing.assert_array_equal(columns["accuracy"], [np.nan, 0.75, np.nan])
    np.testing.assert_array_equal(columns["loss_D"], 1 / 3 * np.array([1, 2, 3]))
    for name in METRICS[1:]:
        assert np.isnan(columns[name]).all() and columns[name].shape == (3,)


def test_rows_reach_the_file_a_block_at_a_time(tmp_path):
    with History(tmp_path / "h.csv", block=3) as history:
        found = []
        for step in range(1, 8):
            history.add(a_record(step))
            found.append(len(rows(tmp_path / "h.csv")))
        assert found == [0, 0, 3, 3, 3, 6, 6]
    assert [row.partition(",")[0] for row in rows(tmp_path / "h.csv")] == list("1234567")


def test_a_file_read_meanwhile_holds_whole_rows_only(tmp_path):
    with History(tmp_path / "h.csv", block=400) as history:  # a block of several system buffers
        assert read_history(tmp_path / "h.csv")["step"].shape == (0,)
        for step in range(1, 401):
            history.add(a_record(step))
        assert (tmp_path / "h.csv").stat().st_size > 8192
        assert len(read_history(tmp_path / "h.csv")["step"]) == 400


def test_nothing_reaches_the_file_but_by_flush(tmp_path):
    with History(tmp_path / "h.csv") as history:
        size = (tmp_path / "h.csv").stat().st_size
        history._file.write("x" * 50_000)  # more than a block of rows
        assert (tmp_path / "h.csv").stat().st_size == size


def test_lines_end_as_unix_tools_expect(tmp_path):
    with History(tmp_path / "h.csv") as history:
        history.add(a_record(1))
    content = (tmp_path / "h.csv").read_bytes()
    assert b"\r" not in content and content.endswith(b"\n")


def test_an_exception_in_the_middle_leaves_all_rows_so_far(tmp_path):
    with pytest.raises(KeyboardInterrupt), History(tmp_path / "h.csv") as history:
        history.add(a_record(1))
        history.add(a_record(2))
        raise KeyboardInterrupt
    assert len(read_history(tmp_path / "h.csv")["step"]) == 2


def test_a_record_that_can_not_be_read_leaves_whole_rows_and_a_closed_file(tmp_path):
    with pytest.raises(TypeError), History(tmp_path / "h.csv", block=2) as history:
        for step in (1, 2):
            history.add(a_record(step))
        history.add(a_record(3))
        history.add(a_record(4, [None] * 7))
    assert [row.partition(",")[0] for row in rows(tmp_path / "h.csv")] == ["1", "2"]
    assert history._file.closed


def test_the_device_is_waited_for_once_in_a_block(tmp_path, xp, no_sync):
    with History(tmp_path / "h.csv", block=3) as history:
        with no_sync():
            for step in (1, 2):
                history.add(a_record(step, asarray=xp.asarray))
        history.add(a_record(3, asarray=xp.asarray))
    assert len(rows(tmp_path / "h.csv")) == 3


def test_a_block_below_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="block must be at least 1, got 0"):
        History(tmp_path / "h.csv", block=0)
    assert not (tmp_path / "h.csv").exists()


def test_an_empty_file_is_refused_by_its_first_line(tmp_path):
    (tmp_path / "h.csv").touch()
    with pytest.raises(ValueError, match="its first line is ''"):
        read_history(tmp_path / "h.csv")


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,2\n", b"step,x\n1,2\n3\n", b"step,x\n1,y\n", b"step,x\n1,2,3\n", b"\xff\xfe"],
)
def test_a_file_that_is_no_history_is_refused(tmp_path, content):
    (tmp_path / "h.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"h\.csv is no history, or is damaged .* expected"):
        read_history(tmp_path / "h.csv")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b"2,x", "row 2 is '2,x\\\\n', expected 2 numbers"),
        (b'"2,2', "row 2 is '\"2,2"),
        (b"2,2,2", "row 2 is '2,2,2"),
        (b"2", "row 2 is '2"),
        (b"\x1b[31m\xff\x00", r"row 2 is '\\x1b\[31m\ufffd\\x00"),
        (b"2" * 10**6, "row 2 is '2222"),
    ],
    ids=["a word", "a quote", "too many", "too few", "binary", "no end"],
)
def test_the_row_that_is_damaged_is_named(tmp_path, row, words):
    (tmp_path / "h.csv").write_bytes(b"step,x\n1,1\n" + row + b"\n3,3\n")
    with pytest.raises(ValueError, match=words) as error:
        read_history(tmp_path / "h.csv")
    assert len(str(error.value)) < 1000 and str(error.value).isprintable()


# --- going on -------------------------------------------------------------------------------------


def test_rows_go_on_behind_a_step_and_others_are_removed(tmp_path):
    path = tmp_path / "h.csv"
    with History(path) as history:
        for step in range(1, 251):
            history.add(a_record(step))
    whole = path.read_bytes()
    for after in (249, 120, 1, 250):
        for tail in (b"", b"251,1,0.5", b"\0" * 99, b"251,26,nan,nan\n252,"):
            path.write_bytes(whole + tail)
            with History(path, after=after) as history:
                assert read_history(path)["step"].tolist() == list(range(1, after + 1))
                for step in range(after + 1, 251):
                    history.add(a_record(step))
            assert path.read_bytes() == whole


def test_cutting_back_takes_what_is_waiting_too(tmp_path):
    with History(tmp_path / "h.csv", block=4) as history:
        for step in range(1, 7):
            history.add(a_record(step, [np.nan] * 7 if step == 6 else None))
        assert history.broken is None  # it has not been read yet
        history.flush()
        assert history.broken == 6
        history.cut_back(3)
        assert history.broken is None
        history.add(a_record(4))
    assert [row.partition(",")[0] for row in rows(tmp_path / "h.csv")] == list("1234")


@pytest.mark.parametrize("name", VITAL)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_row_that_is_not_finite_is_noted(tmp_path, name, value):
    values = np.ones(len(MEASURED) - 2)
    broken = values.copy()
    broken[MEASURED.index(name) - 2] = value
    with History(tmp_path / "h.csv") as history:
        for step, numbers in enumerate((values, broken, broken), 1):
            history.add(a_record(step, numbers))
        history.flush()
        assert history.broken == 2


def test_rows_that_are_missing_are_no_rows_to_go_on_behind(tmp_path):
    path = tmp_path / "h.csv"
    with pytest.raises(ValueError, match="h.csv is missing, expected the rows up to step 3"):
        History(path, after=3)
    with History(path) as history:
        for step in (1, 2, 4):
            history.add(a_record(step))
    with pytest.raises(ValueError, match="sound rows up to step 2 only, expected 3: the next"):
        History(path, after=3)


@pytest.mark.parametrize(
    "damage",
    [
        lambda row: b'"' + row,
        lambda row: row.replace(b",", b",x", 1),
        lambda row: row.rstrip(b"\n") + b",1\n",
        lambda row: row[:-4] + b"\n",
        lambda row: row.replace(b".", b"\x1b[31m", 1),
        lambda row: b"2," + b"1" * 10**6 + b"\n",
        lambda row: b"\xff" * 100,
    ],
    ids=["quote", "word", "too many", "too few", "escape", "no end", "binary"],
)
def test_damaged_rows_are_no_rows_to_go_on_behind(tmp_path, damage):
    path = tmp_path / "h.csv"
    with History(path) as history:
        for step in (1, 2, 3):
            history.add(a_record(step))
    head, first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + first + damage(second) + third)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="h.csv has sound rows up to step 1 only") as error:
        History(path, after=3)
    assert len(str(error.value)) < 1000 and str(error.value).isprintable()
    assert path.read_bytes() == before
    History(path, after=1).__exit__()
    assert path.read_bytes() == head + first


# --- long ones ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 99, 100, 101, 200, 12_345])
def test_a_history_is_thinned_to_means_over_windows(tmp_path, n):
    path = tmp_path / "h.csv"
    numbers = stream(0, "numbers").standard_normal((n, 7))
    with History(path) as history:
        for step, row in enumerate(numbers, 1):
            history.add(a_record(step, row))
    thin, whole = read_history(path, most=100), read_history(path)
    window = -(-n // 100)
    assert all(len(column) == n // window <= 100 for column in thin.values())
    for name, column in whole.items():
        means = column[: n // window * window].reshape(-1, window).mean(axis=1)
        np.testing.assert_allclose(thin[name], means, rtol=1e-13, atol=1e-13)


def test_a_thinned_metric_is_the_mean_of_what_was_computed(tmp_path):
    with History(tmp_path / "h.csv") as history:
        for step in range(1, 13):
            record = a_record(step)
            if step in (2, 3, 11):
                record.measured["accuracy"] = np.float32(step)
            history.add(record)
    thin = read_history(tmp_path / "h.csv", most=3)
    np.testing.assert_array_equal(thin["accuracy"], [2.5, np.nan, 11])
    assert np.isnan(thin["modes"]).all() and np.isfinite(thin["loss_D"]).all()


def test_rows_of_a_run_that_broke_are_thinned_without_a_warning(tmp_path):
    with History(tmp_path / "h.csv") as history:
        for step in range(1, 9):
            history.add(a_record(step, [np.inf, -np.inf, np.nan, 1, 1, 1, 1e308]))
            history.add(a_record(step, [-np.inf, -np.inf, 1, 1, 1, 1, 1e308]))
    assert np.isnan(read_history(tmp_path / "h.csv", most=4)["loss_D"]).all()


def memory_of(function):
    """Return the most memory that a call takes, in bytes, and how many seconds."""
    began = time.monotonic()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1], time.monotonic() - began
    finally:
        tracemalloc.stop()


@pytest.mark.thorough
@pytest.mark.parametrize(
    "n", [40_000, pytest.param(1_000_000, marks=pytest.mark.slow)], ids="{:_}".format
)
def test_a_long_history_takes_no_more_memory_than_a_short_one(tmp_path, n):
    path, record = tmp_path / "h.csv", a_record(1)

    def write():
        with History(path) as history:
            for step in range(1, n + 1):
                history.add(Record(step, 1, record.measured))

    def go_on():
        with History(path, after=n - 1):
            pass

    assert memory_of(write)[0] < 4e6
    assert memory_of(lambda: read_history(path, most=10_000))[0] < 3e7
    assert memory_of(go_on)[0] < 4e6
    assert len(read_history(path, most=10_000)["step"]) <= 10_000
