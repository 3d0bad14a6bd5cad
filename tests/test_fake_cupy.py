"""The stand-in for CuPy is itself tested: what it refuses, and what it does as CuPy does."""

import copy
import inspect
import operator
import sys

import fake_cupy as fake
import numpy as np
import pytest

HOST = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def a():
    return fake.asarray(HOST)


def same(device, host):
    """Compare values, dtype and shape, and see that the result is on the device."""
    assert type(device) is fake.ndarray
    host = np.asarray(host)
    assert device.dtype == host.dtype and device.shape == host.shape
    np.testing.assert_array_equal(device.get(), host)


# ---- nothing leaves the device unasked


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.array,
        np.ascontiguousarray,
        lambda a: np.asarray(a, dtype=np.float32),
        lambda a: np.array([a, a]),
        lambda a: HOST.__setitem__(..., a),
        lambda a: np.stack([a]),
        lambda a: fake.asarray([a, a]),
    ],
)
def test_implicit_conversion_is_refused(a, convert):
    with pytest.raises(TypeError, match="Implicit conversion|through xp"):
        convert(a)


@pytest.mark.parametrize(
    "function",
    [
        np.exp,
        np.add.reduce,
        np.sum,
        np.ndim,
        np.shape,
        np.concatenate,
        np.linalg.norm,
        np.isfinite,
        lambda a: np.add(a, 1),
        lambda a: np.add(HOST, 1, out=a),
        lambda a: np.where(a > 0, a, 0),
        lambda a: np.multiply(HOST, a),
        lambda a: np.allclose(a, HOST),
        lambda a: np.zeros_like(a),
    ],
)
def test_numpy_functions_are_refused(a, function):
    with pytest.raises(TypeError):
        function(a)


OPERATORS = [
    getattr(operator, n)
    for n in "add sub mul truediv floordiv mod pow matmul eq ne lt le gt ge "
    "iadd isub imul itruediv ifloordiv imod ipow imatmul".split()
]


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize(
    "host",
    [HOST + 1, np.array(2.0), [1.0, 2.0, 3.0], None, object()],
    ids=["array", "0-d array", "list", "None", "object"],
)
def test_mixing_is_refused_in_both_orders(a, op, host):
    before = a.get()
    with pytest.raises(TypeError):
        op(a, host)
    with pytest.raises(TypeError):
        op(host, a)
    same(a, before)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: fake.add(a, HOST),
        lambda a: fake.exp(HOST),
        lambda a: fake.sum(HOST),
        lambda a: fake.sum([1.0, 2.0]),
        lambda a: fake.where(HOST > 0, a, a),
        lambda a: fake.where(a > 0, a, HOST),
        lambda a: fake.concatenate([a, HOST]),
        lambda a: fake.matmul(a, HOST.T),
        lambda a: fake.tensordot(a, HOST),
        lambda a: a.dot(HOST.T),
        lambda a: fake.einsum("ij,ij", a, HOST),
        lambda a: fake.clip(a, HOST, None),
        lambda a: fake.exp(a, out=HOST.copy()),
        lambda a: fake.sum(a, axis=0, out=np.zeros(3)),
        lambda a: a.__setitem__(..., HOST),
        lambda a: a.__setitem__(0, [1, 2, 3]),
        lambda a: fake.zeros_like(HOST),
        lambda a: fake.full((2,), HOST),
        lambda a: fake.zeros(a),
        lambda a: a.reshape(fake.asarray([3, 2])),
        lambda a: fake.linalg.norm(HOST),
        lambda a: fake.sum(None),
        lambda a: fake.where(True, a, a),
        lambda a: a.fill(HOST),
        lambda a: fake.copyto(a, HOST),
        lambda a: fake.matmul(a, 2.0),
        lambda a: a @ 2.0,
        lambda a: range(fake.asarray(3)),
        lambda a: {a: 1},
        lambda a: fake.ndarray((2, 3)),
        lambda a: fake.may_share_memory(a, HOST),
        lambda a: a.sum(axis=fake.asarray(0)),
    ],
)
def test_host_arrays_are_refused_by_functions(a, call):
    with pytest.raises(TypeError):
        call(a)


def test_words_are_those_of_cupy(a):
    with pytest.raises(TypeError, match="Unsupported type <class 'numpy.ndarray'>"):
        HOST + a
    with pytest.raises(TypeError, match=r"not allowed. Please use `.get\(\)` to construct"):
        np.asarray(a)
    with pytest.raises(TypeError, match="Wrong arguments"):
        fake.exp(a, where=a > 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: fake.asarray("x"),
        lambda: fake.asarray([None]),
        lambda: fake.zeros(2, dtype=object),
        lambda: fake.zeros(2).astype("S3"),
        lambda: fake.zeros(2) * np.longdouble(1),
    ],
)
def test_dtypes_that_cupy_lacks_are_refused(make):
    with pytest.raises(ValueError, match="Unsupported dtype"):
        make()


@pytest.mark.parametrize(
    "look",
    [
        lambda a: fake.nditer,
        lambda a: fake.put_along_axis,
        lambda a: fake.random,
        lambda a: fake.linalg.multi_dot,
        lambda a: fake.lib.npyio,
        lambda a: a.mT,
        lambda a: a.tofile,
        lambda a: fake.errstate,
        lambda a: fake.np,
        lambda a: fake.cuda.Device,
    ],
)
def test_unknown_names_are_refused(a, look):
    with pytest.raises(AttributeError, match="not in the stand-in: check that CuPy has it"):
        look(a)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: fake.sum(a, where=True),
        lambda a: fake.max(a, initial=0.0),
        lambda a: fake.std(a, mean=0.0),
        lambda a: fake.clip(a, min=0),
        lambda a: a.sum(initial=1.0),
        lambda a: fake.zeros(2, like=a),
        lambda a: fake.einsum("ij", a, out=a),
    ],
)
def test_keywords_that_cupy_lacks_are_refused(a, call):
    with pytest.raises(TypeError):
        call(a)


def test_new_attributes_are_refused(a):
    with pytest.raises(AttributeError):
        a.name = 1
    with pytest.raises(AttributeError):
        a.shape = (3, 2)


# ---- what stays on the device


@pytest.mark.parametrize(
    "call",
    [
        lambda x, a: a.sum(),
        lambda x, a: x.mean(a),
        lambda x, a: x.max(a),
        lambda x, a: a.argmax(),
        lambda x, a: a.all(),
        lambda x, a: x.linalg.norm(a),
        lambda x, a: a[1, 2],
        lambda x, a: a[0][0],
        lambda x, a: x.vdot(a, a),
        lambda x, a: a.sum() + 1,
        lambda x, a: -a.sum(),
        lambda x, a: a.sum() * a.sum(),
        lambda x, a: 2.0 / a.sum(),
        lambda x, a: x.sqrt(a.sum()),
        lambda x, a: np.float64(2) * a.sum(),
        lambda x, a: a.sum() > 3,
        lambda x, a: x.exp(1.0),
        lambda x, a: x.allclose(a, a),
        lambda x, a: x.array_equal(a, a),
        lambda x, a: x.einsum("ij->", a),
        lambda x, a: x.where(a.sum() > 3, 1.0, 0.0),
        lambda x, a: x.count_nonzero(a),
    ],
)
def test_zero_d_stays_on_the_device(a, call):
    same(call(fake, a), call(np, HOST))


FLOAT32 = HOST.astype("f4") + 1
SPECTRUM = (HOST + 1j).astype("c8")
CASES = [
    lambda x, a: a + 1,
    lambda x, a: 1 - a,
    lambda x, a: a / 3,
    lambda x, a: 2**a,
    lambda x, a: a**2,
    lambda x, a: a * np.float64(2),
    lambda x, a: np.float32(2) * a,
    lambda x, a: np.float64(2) / a,
    lambda x, a: a @ a.T,
    lambda x, a: a.T.reshape(-1),
    lambda x, a: a * 1j,
    lambda x, a: abs(a),
    lambda x, a: ~(a > 2),
    lambda x, a: (a > 2) & (a < 5),
    lambda x, a: (a > 2) * a,
    lambda x, a: a // 2 % 2,
    lambda x, a: np.float64(2) < a,
    lambda x, a: a.mean(axis=0, keepdims=True),
    lambda x, a: a.var(axis=(0, 1), ddof=1),
    lambda x, a: a.astype(x.float64),
    lambda x, a: a.transpose(1, 0),
    lambda x, a: a.transpose(),
    lambda x, a: a.reshape((3, 2)),
    lambda x, a: a.reshape(3, -1),
    lambda x, a: a.swapaxes(0, 1),
    lambda x, a: a[:, None, ::-1],
    lambda x, a: a[..., 1],
    lambda x, a: a[[1, 0]],
    lambda x, a: a[np.array([1, 0])],
    lambda x, a: a[:, x.asarray([2, 0])],
    lambda x, a: a[x.asarray([1, 0]), x.asarray([2, 0])],
    lambda x, a: a[a > 2],
    lambda x, a: a[x.asarray([True, False])],
    lambda x, a: a[True],
    lambda x, a: a[[]],
    lambda x, a: a[x.asarray(1)],
    lambda x, a: a.real,
    lambda x, a: a.imag,
    lambda x, a: a.conj(),
    lambda x, a: a.clip(1, 3),
    lambda x, a: x.clip(a, 2, None),
    lambda x, a: a.repeat(2, axis=1),
    lambda x, a: a.cumsum(1),
    lambda x, a: a.argsort(),
    lambda x, a: a[None].squeeze(0),
    lambda x, a: x.concatenate([a, a], axis=1),
    lambda x, a: x.stack((a, a), axis=-1),
    lambda x, a: x.split(a, 3, axis=1)[2],
    lambda x, a: x.pad(a, ((0, 1), (2, 0))),
    lambda x, a: x.pad(a, 1, constant_values=7),
    lambda x, a: x.pad(a, 1, mode="edge"),
    lambda x, a: x.moveaxis(a, 0, -1),
    lambda x, a: x.broadcast_to(a, (4, 2, 3)),
    lambda x, a: x.expand_dims(a, 1),
    lambda x, a: x.tile(a, (2, 1)),
    lambda x, a: x.outer(a, a),
    lambda x, a: x.tensordot(a, a, axes=([1], [1])),
    lambda x, a: x.einsum("ij,kj->ik", a, a),
    lambda x, a: x.where(a > 2, a, 0),
    lambda x, a: x.maximum(a, 2),
    lambda x, a: x.full_like(a, 3),
    lambda x, a: x.zeros((2, 2), dtype=a.dtype),
    lambda x, a: x.arange(1, 7, 2, dtype=x.float32),
    lambda x, a: x.linspace(0, 1, 5),
    lambda x, a: x.eye(3),
    lambda x, a: x.asarray([[1, 2]]),
    lambda x, a: x.asarray(a, dtype=x.complex64),
    lambda x, a: x.full((2, 2), 3.0),
    lambda x, a: x.isfinite(a),
    lambda x, a: x.logaddexp(0.0, x.abs(a)),
    lambda x, a: x.flip(a, 1),
    lambda x, a: x.linalg.svd(a, compute_uv=False),
    lambda x, a: x.linalg.qr(a)[1],
    lambda x, a: x.linalg.solve(a @ a.T, a),
    lambda x, a: x.add(a, a, dtype=x.complex128),
    lambda x, a: x.lib.stride_tricks.sliding_window_view(a, (2, 2), axis=(0, 1)),
    lambda x, a: x.lib.stride_tricks.as_strided(a, (2, 2, 2), (*a.strides, a.strides[1])),
]


@pytest.mark.parametrize("host", [FLOAT32, SPECTRUM], ids=["float32", "complex64"])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_results_are_those_of_numpy(host, case):
    try:
        expected = CASES[case](np, host)
    except (TypeError, np.exceptions.ComplexWarning):
        pytest.skip("not for complex numbers")
    same(CASES[case](fake, fake.asarray(host)), expected)


def test_facts_about_an_array_are_plain(a):
    assert (a.shape, a.ndim, a.size, a.dtype, a.nbytes) == ((2, 3), 2, 6, np.float64, 48)
    assert a.flags.c_contiguous and not a.T.flags.c_contiguous and a.strides == (24, 8)
    assert len(a) == 2 and fake.shape(a) == (2, 3)
    assert fake.result_type(a, np.float32) == a.dtype
    assert float(a[1, 2]) == 5.0 and int(a[1, 2]) == 5 and a[1, 2].item() == 5
    assert complex(a[0, 1]) == 1 and f"{a[0, 1]:.2f}" == "1.00" and bool(a.any())
    assert [float(row.sum()) for row in a] == [3.0, 12.0]
    assert repr(a) == repr(HOST) and a.tolist() == HOST.tolist()
    with pytest.raises(ValueError, match="ambiguous"):
        bool(a)


def test_asarray_copies_from_the_host_and_not_on_the_device(a):
    host = HOST.copy()
    device = fake.asarray(host)
    host[:] = -1
    same(device, HOST)
    assert fake.asarray(a) is a and a.astype(a.dtype, copy=False) is a and a.real is a
    assert not fake.shares_memory(fake.array(a), a) and not fake.shares_memory(a.copy(), a)
    assert not fake.shares_memory(copy.deepcopy(a), a)
    out = a.get()
    out[:] = -1
    same(a, HOST)
    assert type(fake.asnumpy(a)) is np.ndarray


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[0],
        lambda a: a[:, 1:],
        lambda a: a[0, 1],
        lambda a: a.T,
        lambda a: a.reshape(3, 2),
        lambda a: a.ravel(),
        lambda a: a.squeeze(),
        lambda a: fake.moveaxis(a, 0, 1),
        lambda a: a[...],
        lambda a: fake.split(a, 2)[0],
        lambda a: a[None],
        lambda a: a.transpose(1, 0)[1:],
    ],
)
def test_views_share_memory_and_in_place_work_reaches_the_base(a, view):
    part, host = view(a), HOST.copy()
    assert fake.shares_memory(part, a)
    before = part
    part += 1
    part *= 2.0
    part[...] = part - 3
    assert part is before
    changed = HOST * 2 - 1
    expected = np.where(np.isin(HOST, view(fake.asarray(host)).get()), changed, HOST)
    same(a, expected)


@pytest.mark.parametrize(
    "copied",
    [
        lambda a: a[[0]],
        lambda a: a[fake.asarray(0)],
        lambda a: a[a > -1],
        lambda a: a.flatten(),
        lambda a: a + 0,
        lambda a: a.astype(a.dtype),
        lambda a: +a,
        lambda a: fake.copy(a),
    ],
)
def test_copies_share_nothing(a, copied):
    assert not fake.shares_memory(copied(a), a)


def test_in_place_and_out(a):
    keep = a
    a -= 1
    a /= fake.asarray([1.0, 2.0, 4.0])
    assert keep is a and fake.exp(a, out=a) is a and fake.add(a, 1, out=a) is a
    assert fake.sum(a, axis=0, out=fake.zeros(3)).shape == (3,)
    same(a, np.exp((HOST - 1) / [1.0, 2.0, 4.0]) + 1)
    total = a.sum()
    again = total
    total += 1
    assert again is total and type(total) is fake.ndarray
    a.fill(2.0)
    a[0, 0] = 5
    a[fake.asarray([1, 0]), 1] = fake.asarray([8.0, 9.0])
    a[a == 9] = 0
    same(a, [[5.0, 0, 2], [2, 8, 2]])
    with pytest.raises(TypeError):
        counts = fake.zeros(2, dtype=fake.int64)
        counts += 0.5


def test_stricter_than_cupy(a):
    assert fake.isnan(fake.empty((2, 2))).all() and fake.isnan(fake.empty_like(a)).all()
    with pytest.raises(ValueError, match="written twice"):
        a[fake.asarray([0, 0])] = fake.ones((2, 3))
    a[fake.asarray([0, 0])] = 1.0  # one number: the order does not matter
    with pytest.raises(ValueError, match="leaves the memory"):
        fake.lib.stride_tricks.as_strided(a[1:], (2, 3), a.strides)
    with pytest.raises(IndexError):
        a[fake.asarray([2])]  # CuPy wraps around in silence


# ---- waiting


@pytest.mark.parametrize(
    "wait",
    [
        lambda a: float(a[0, 0]),
        lambda a: int(a[0, 0]),
        lambda a: bool(a[0, 0]),
        lambda a: a.get(),
        lambda a: a[0, 0].item(),
        lambda a: a.tolist(),
        lambda a: list(a),
        lambda a: fake.asnumpy(a),
        lambda a: a[a > 2],
        lambda a: a[:, fake.asarray([True, False, True])],
        lambda a: a[True],
        lambda a: fake.nonzero(a),
        lambda a: fake.where(a > 2),
        lambda a: repr(a),
        lambda a: f"{a}",
        lambda a: complex(a[0, 0]),
        lambda a: 1 if (a > 2).all() else 0,
        lambda a: max(a[0], a[1]),
        lambda a: a.__setitem__(a > 2, fake.zeros(3)),
        lambda a: str(a),
        lambda a: 3.0 in a,
        lambda a: a[np.array([True, False])],
    ],
)
def test_no_sync_catches_what_waits(a, wait):
    with pytest.raises(fake.SyncError, match="waits for the GPU"), fake.no_sync():
        wait(a)
    try:
        wait(a)  # and outside it passes, or fails for a reason of its own
    except ValueError as error:
        assert "ambiguous" in str(error)


def test_no_sync_lets_a_step_through(a):
    with fake.no_sync(), fake.no_sync():
        y = fake.where(a > 2, a, 0.2 * a) @ a.T
        y[y > 50] = 50.0
        a[fake.asarray([1, 0])] += fake.asarray(HOST).mean(axis=0)
        loss = fake.logaddexp(0.0, -y).mean() + a.shape[0] * a.max()
        assert loss.ndim == 0 and len(y) == 2 and y.dtype == fake.float64
    assert np.isfinite(float(loss))


# ---- the plumbing


def test_xp_and_to_np(xp, to_np):
    x = xp.asarray([1.0, 2.0])
    module = type(x).__module__.partition(".")[0]
    assert sys.modules[module] is xp
    assert type(to_np(x)) is np.ndarray and to_np(x.sum()) == 3.0 and to_np(2.0) == 2.0


def test_the_stand_in_is_gone_afterwards(pytestconfig):
    if pytestconfig.getoption("--device") == "cpu":
        assert sys.modules.get("cupy") is not fake


def test_no_sync_fixture(xp, no_sync):
    with no_sync():
        xp.asarray([1.0]).sum()
    if xp is fake:
        with pytest.raises(fake.SyncError), no_sync():
            float(xp.asarray(1.0))


def test_every_name_and_keyword_is_in_real_cupy():
    cupy = pytest.importorskip("cupy", reason="real CuPy, with or without a GPU, is the judge")
    assert cupy is not fake
    for name in f"{fake.UFUNCS} {fake.CONSTANTS} asarray array asnumpy".split():
        assert hasattr(cupy, name), name
    for name, parameters in fake._lines(fake.SIGNATURES):
        function = operator.attrgetter(name)(cupy)
        if name == "size":
            continue  # a compiled function without a signature
        real = inspect.signature(function).parameters
        kinds = {p.kind for p in real.values()}
        ours = inspect.signature(eval(f"lambda {parameters}: 0")).parameters
        for i, p in enumerate(ours.values()):
            if p.kind == p.POSITIONAL_OR_KEYWORD and p.VAR_POSITIONAL not in kinds:
                assert list(real)[i] == p.name, (name, p.name)
            elif p.kind == p.KEYWORD_ONLY and p.VAR_KEYWORD not in kinds:
                assert p.name in real, (name, p.name)
    for name, thing in vars(fake.cuda).items():
        assert hasattr(cupy.cuda, name), name
        for attribute in vars(thing) if name in ("Stream", "Event", "runtime") else ():
            assert attribute.startswith("_") or hasattr(getattr(cupy.cuda, name), attribute), name
    methods = fake.AS_FUNCTIONS.split() + [name for name, _ in fake._lines(fake.METHODS)]
    for name in methods + "get item tolist flags strides nbytes T real imag".split():
        assert hasattr(cupy.ndarray, name), name
