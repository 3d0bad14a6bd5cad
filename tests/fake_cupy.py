"""A stand-in for CuPy, so that "runs unchanged on the GPU" can be tested without a GPU.

A fixture puts this module into ``sys.modules["cupy"]``. Its arrays are NumPy arrays in a wrapper
that behaves as ``cupy.ndarray`` does where CuPy differs from NumPy, or more strictly:

- nothing leaves the device but by ``.get()`` or ``asnumpy``; a NumPy array mixed with a device
  array is refused, and so is a NumPy function of a device array (library code goes through xp);
- what NumPy returns as a scalar stays here a 0-d device array, and an element is a view;
- only names and keyword arguments that CuPy 13 and 14 both have are here (``SIGNATURES``);
- what waits for the GPU raises inside ``with no_sync():``;
- ``empty`` holds NaN, writing one place twice through an index array is refused (on a GPU the
  order is undefined), and ``as_strided`` may not leave the memory of its array.

Streams, captures and graphs are in ``fake_cuda.py``, which every computation goes through.

What it cannot show: it is no GPU. It has no speed, no memory limit and no rounding of its own (a
GPU adds up in another order), and it says nothing about a kernel in CuPy with a bug.
``test_fake_cupy.py`` compares the lists below with real CuPy wherever that can be imported.
"""

import contextlib as _contextlib
import inspect as _inspect
import operator as _operator
import sys as _sys
import types as _types

import fake_cuda as _fake_cuda
import numpy as _np

__version__ = "13.6.0+standin"
_SCALARS = (bool, int, float, complex, _np.number, _np.bool_)
_UNSUPPORTED = "Unsupported type {}"
_IMPLICIT = (
    "Implicit conversion to a NumPy array is not allowed. "
    "Please use `.get()` to construct a NumPy array explicitly."
)

UFUNCS = """exp exp2 expm1 log log2 log10 log1p sqrt cbrt square reciprocal sin cos tan arcsin
arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh abs absolute fabs sign signbit
copysign negative positive conj conjugate floor ceil rint trunc isfinite isnan isinf add subtract
multiply divide true_divide floor_divide remainder mod power hypot logaddexp maximum minimum fmax
fmin equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor
logical_not bitwise_and bitwise_or bitwise_xor invert heaviside"""

SIGNATURES = """
zeros ones empty | shape, dtype=float, order="C"
zeros_like ones_like | a, dtype=None, order="K", *, shape=None
empty_like | prototype, dtype=None, order="K", *, shape=None
full | shape, fill_value, dtype=None, order="C"
full_like | a, fill_value, dtype=None, order="K", *, shape=None
arange | start, stop=None, step=1, dtype=None
linspace | start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0
eye | N, M=None, k=0, dtype=float, order="C"
identity | n, dtype=float
sum prod mean nansum | a, axis=None, dtype=None, out=None, keepdims=False
var std | a, axis=None, dtype=None, out=None, ddof=0, keepdims=False
max min amax amin any all nanmax nanmin | a, axis=None, out=None, keepdims=False
argmax argmin | a, axis=None, *, keepdims=False
cumsum cumprod | a, axis=None, dtype=None, out=None
count_nonzero | a, axis=None
argsort sort | a, axis=-1
nonzero flatnonzero | a
where | condition, x=None, y=None
clip | a, a_min, a_max, out=None
round around | a, decimals=0, out=None
nan_to_num | x, copy=True, nan=0.0, posinf=None, neginf=None
real imag | val
angle | z, deg=False
concatenate stack | tup, axis=0, out=None, *, dtype=None, casting="same_kind"
hstack vstack | tup, *, dtype=None, casting="same_kind"
split array_split | ary, indices_or_sections, axis=0
pad | array, pad_width, mode="constant", *, constant_values=0
transpose | a, axes=None
moveaxis | a, source, destination
swapaxes | a, axis1, axis2
roll | a, shift, axis=None
flip | a, axis=None
rot90 | a, k=1, axes=(0, 1)
broadcast_to | array, shape
broadcast_arrays | *args
expand_dims | a, axis
squeeze | a, axis=None
reshape | a, newshape, order="C"
ravel | a, order="C"
copy | a, order="K"
copyto | dst, src, casting="same_kind"
ascontiguousarray | a, dtype=None
tile | A, reps
repeat | a, repeats, axis=None
diff | a, n=1, axis=-1
diag | v, k=0
diagonal | a, offset=0, axis1=0, axis2=1
tril triu | m, k=0
trace | a, offset=0, axis1=0, axis2=1, dtype=None, out=None
take | a, indices, axis=None, out=None
take_along_axis | a, indices, axis
matmul | a, b, /, *, out=None
dot outer | a, b, out=None
inner vdot kron | a, b
tensordot | a, b, axes=2
einsum | subscripts, *operands, optimize=False
allclose isclose | a, b, rtol=1e-5, atol=1e-8, equal_nan=False
array_equal | a1, a2
may_share_memory shares_memory | a, b, max_work=None
ndim shape | a
size | a, axis=None
iscomplexobj isrealobj | x
result_type | *arrays_and_dtypes
linalg.norm | x, ord=None, axis=None, keepdims=False
linalg.qr | a, mode="reduced"
linalg.svd | a, full_matrices=True, compute_uv=True
linalg.det linalg.inv linalg.slogdet linalg.cholesky | a
linalg.eigh linalg.eigvalsh | a, UPLO="L"
linalg.solve | a, b
lib.stride_tricks.as_strided | x, shape=None, strides=None
lib.stride_tricks.sliding_window_view | x, window_shape, axis=None
"""

METHODS = """
argsort sort | self, axis=-1
clip | self, min=None, max=None, out=None
astype | self, dtype, order="K", *, copy=True
copy flatten | self, order="C"
reshape | self, *shape, order="C"
transpose | self, *axes
fill | self, value
view | self, dtype=None
conj conjugate | self
"""
AS_FUNCTIONS = """sum prod mean var std max min any all argmax argmin cumsum cumprod round dot
ravel swapaxes squeeze repeat take diagonal trace"""

CONSTANTS = """inf nan pi e newaxis float16 float32 float64 complex64 complex128 int8 int16
int32 int64 uint8 uint16 uint32 uint64 bool_ intp dtype finfo iinfo issubdtype promote_types
can_cast isscalar number integer inexact floating complexfloating"""
_public = {name: getattr(_np, name) for name in CONSTANTS.split()}  # what xp.name is

# How arguments are taken, by parameter name: these are arrays, and some may be scalars as well.
_ARRAYS = set("self a b a1 a2 x y z v m A val ary array prototype condition dst out".split())
_EITHER = set("fill_value a_min a_max min max src value indices".split())
_EITHER_IN = set("where allclose isclose ndim shape size".split())
_TO_HOST = set("may_share_memory shares_memory ndim shape size iscomplexobj isrealobj".split())
_TO_HOST.add("result_type")
_WAITING = {"nonzero", "flatnonzero"}
_BY_CUBLAS = {"matmul", "dot", "tensordot", "inner", "vdot", "einsum", "outer"}
_forbidden = 0


class SyncError(AssertionError):
    """Code inside ``no_sync()`` waits for the GPU."""


@_contextlib.contextmanager
def no_sync():
    """Refuse, inside, whatever needs a value on the host and so waits for the GPU."""
    global _forbidden
    _forbidden += 1
    try:
        yield
    finally:
        _forbidden -= 1


def _wait(what):
    _fake_cuda.expect_no_capture(f"{what}, which waits for the GPU,")
    if _forbidden:
        raise SyncError(f"{what} waits for the GPU, inside no_sync()")


def _unknown(name):
    raise AttributeError(
        f"{name}: not in the stand-in: check that CuPy has it, "
        "then add it to the list in tests/fake_cupy.py"
    )


def __getattr__(name):
    return _public[name] if name in _public else _unknown(f"cupy.{name}")


def _wrap(value, known=()):
    """Put a NumPy result on the device; an array that is known already is itself."""
    if isinstance(value, (tuple, list)):
        return (list if isinstance(value, list) else tuple)(_wrap(v) for v in value)
    for array in known:
        if array._a is value:
            return array
    value = _np.asarray(value)
    if value.dtype.char not in "?bhilqpBHILQPefdFD":
        raise ValueError(f"Unsupported dtype {value.dtype}")
    new = object.__new__(ndarray)
    new._a, new._block = value, _fake_cuda.block_of(value)
    return new


def _unwrap(value, scalars=True):
    """Take an operand: a device array or, where CuPy takes one, a scalar."""
    if isinstance(value, ndarray):
        return value._a
    if scalars and isinstance(value, _SCALARS):
        return value
    raise TypeError(_UNSUPPORTED.format(type(value)))


def _plain(value):
    """Take an argument that is no operand (an axis, a shape, a dtype): no array may be in it."""
    if isinstance(value, (ndarray, _np.ndarray)):
        raise TypeError(_UNSUPPORTED.format(type(value)))
    if isinstance(value, (tuple, list)):
        [_plain(v) for v in value]
    return value


def _argument(function, key, value, default):
    if value is None and (default is None or key in ("a_min", "a_max")):
        return None
    if key in ("tup", "operands", "args"):
        return type(value)(_unwrap(v, scalars=False) for v in value)
    if key == "arrays_and_dtypes":
        return tuple(v._a if isinstance(v, ndarray) else _plain(v) for v in value)
    if key in _ARRAYS or key in _EITHER:
        loose = key in _EITHER or (function in _EITHER_IN and key != "condition")
        return _unwrap(value, loose and key != "out")
    return _plain(value)


def _function(name, function, parameters):
    """Give a NumPy function CuPy's parameters, and take and return device arrays only."""
    signature = _inspect.signature(eval(f"lambda {parameters}: 0"))

    def call(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        if name in _WAITING or (name == "where" and "y" not in bound.arguments):
            _wait(name)
        for key, value in bound.arguments.items():
            default = signature.parameters[key].default
            bound.arguments[key] = _argument(name, key, value, default)
        if name in _TO_HOST:
            return function(*bound.args, **bound.kwargs)
        # A product of two vectors is a sum: CuPy takes no cuBLAS for it.
        by_cublas = name in _BY_CUBLAS and any(_np.ndim(a) > 1 for a in bound.args)
        result = _fake_cuda.run(function, bound.args, bound.kwargs, by_cublas)
        if result is None:
            return None
        known = [v for v in (*args, *kwargs.values()) if isinstance(v, ndarray)]
        return _wrap(result, known)

    call.__name__, call.__signature__ = name, signature
    return call


def _ufunc(name, function):
    def call(*args, out=None, dtype=None, **wrong):
        if wrong:
            raise TypeError(f"Wrong arguments {wrong}")
        if len(args) > function.nin:
            *args, out = args
        place = None if out is None else _unwrap(out, scalars=False)
        arguments = {"dtype": dtype, "out": place}
        result = _fake_cuda.run(function, tuple(map(_unwrap, args)), arguments)
        return _wrap(result) if out is None else out

    call.__name__ = name
    return call


def _lines(table):
    for line in table.strip().splitlines():
        names, parameters = line.split(" | ")
        for name in names.split():
            yield name, parameters


class ndarray:
    """An array "on the device": NumPy's, in a wrapper that lets nothing out unasked."""

    __module__ = "cupy"
    __slots__ = ("_a", "_block")
    __array_priority__ = 100
    __array_ufunc__ = None  # NumPy's operators leave the work to those below; its ufuncs refuse
    __hash__ = None

    def __new__(cls, *args, **kwargs):
        """Refuse: arrays come from the functions of the module."""
        raise TypeError("make device arrays with xp.empty, xp.zeros or xp.asarray")

    def __array__(self, *args, **kwargs):
        """Refuse the way out that NumPy would take by itself."""
        raise TypeError(_IMPLICIT)

    def __array_function__(self, function, *args):
        """Refuse NumPy's functions, some of which CuPy would dispatch."""
        raise TypeError(f"numpy.{function.__name__} of a device array: call it through xp")

    def __getattr__(self, name):
        """Say what to do about a missing name."""
        _unknown(f"cupy.ndarray.{name}")

    def get(self, out=None):
        """Copy to a NumPy array, which may be given: the explicit way out."""
        _wait("get()")
        if out is None:
            return self._a.copy(order="C")
        if (out.shape, out.dtype) != (self.shape, self.dtype):
            raise ValueError(f"get: {self.shape} {self.dtype} to {out.shape} {out.dtype}")
        out[...] = self._a
        return out

    def set(self, arr, stream=None):
        """Copy from a NumPy array of this shape and dtype."""
        if stream is None:
            _wait("set() without a stream")
        if (arr.shape, arr.dtype) != (self.shape, self.dtype):
            raise ValueError(f"set: {arr.shape} {arr.dtype} to {self.shape} {self.dtype}")
        _fake_cuda.set_from_host(self._a, arr, stream)

    @property
    def data(self):
        """Return where the array lies."""
        return _types.SimpleNamespace(ptr=self._a.ctypes.data)

    def __len__(self):
        """Return the length of the first axis (known without waiting)."""
        return len(self._a)

    def __iter__(self):
        """Iterate over the first axis, refused in ``no_sync()``: a kernel an element."""
        _wait("iteration")
        return (self[i] for i in range(len(self)))

    def __deepcopy__(self, memo):
        """Copy on the device."""
        return self.copy()

    def __getitem__(self, key):
        """Index; a result of basic indexing, an element too, is a view."""
        key, masks = _index(key)
        if masks:
            _wait("indexing with a mask")
        return _wrap(_fake_cuda.run(_operator.getitem, (self._a, key), {}))

    def __setitem__(self, key, value):
        """Assign a device array or a scalar."""
        value = _unwrap(value)
        key, masks = _index(key)
        if masks and (_np.ndim(value) or len(key) > 2):
            _wait("assigning an array through a mask")
        if _np.ndim(value) and any(isinstance(k, _np.ndarray) for k in key):
            places = _np.arange(self.size).reshape(self.shape)[key]
            if len(_np.unique(places)) != places.size:
                raise ValueError("one place is written twice; on a GPU the order is undefined")
        _fake_cuda.run(_operator.setitem, (self._a, key, value), {})

    def __imatmul__(self, other):
        """Refuse: CuPy has no in-place product, so ``a @= b`` would make a new array."""
        raise TypeError("CuPy has no in-place matmul; write a[...] = a @ b")

    @property
    def flags(self):
        """Return the memory layout."""
        flags = self._a.flags
        return _types.SimpleNamespace(
            c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=flags.owndata
        )


def _index(key):
    """Return the key for NumPy, with an ellipsis (so that an element is a view), and its masks."""
    keys = []
    for k in key if isinstance(key, tuple) else (key,):
        if isinstance(k, ndarray):
            k = k._a
        elif isinstance(k, _np.ndarray):
            _fake_cuda.expect_no_capture("an index array of the host, which is copied,")
        elif isinstance(k, (list, bool, _np.bool_)):
            k = _np.asarray(k) if k != [] else _np.zeros(0, int)
        keys.append(k)
    masks = [k for k in keys if isinstance(k, _np.ndarray) and k.dtype == bool]
    return (*keys, ...) if not any(k is ... for k in keys) else tuple(keys), masks


def _operators(name):
    """Make ``__add__``, ``__radd__``, ``__iadd__`` and, for those of one operand, ``__neg__``."""
    op = getattr(_operator, f"__{name}__")
    scalars = name != "matmul"

    def computed(*operands):
        by_cublas = name == "matmul" and any(_np.ndim(a) > 1 for a in operands)
        return _wrap(_fake_cuda.run(op, operands, {}, by_cublas))

    def left(self, other):
        return computed(self._a, _unwrap(other, scalars))

    def right(self, other):
        return computed(_unwrap(other, scalars), self._a)

    def in_place(self, other):
        _fake_cuda.run(getattr(_operator, f"__i{name}__"), (self._a, _unwrap(other)), {})
        return self

    def unary(self):
        return computed(self._a)

    return left, right, in_place, unary


def _host(name, convert):
    def method(self, *args):
        _wait(f"{name}()")
        return convert(self._a, *args)

    return method


def _as_strided(x, shape=None, strides=None):
    view, root = _np.lib.stride_tricks.as_strided(x, shape, strides), x
    while isinstance(root.base, _np.ndarray):
        root = root.base
    (low, high), (first, last) = map(_np.lib.array_utils.byte_bounds, (view, root))
    if view.size and not first <= low <= high <= last:
        raise ValueError("as_strided leaves the memory of its array")
    return view


def _empty(function):
    def make(*args, **kwargs):
        new = function(*args, **kwargs)
        if new.dtype.kind in "fc":
            new.fill(_np.nan)
        return new

    return make


class _Namespace(_types.SimpleNamespace):
    def __getattr__(self, name):
        _unknown(name)


def asarray(a, dtype=None, order=None):
    """Bring host data to the device; a device array is returned as it is if the dtype allows."""
    if isinstance(a, ndarray):
        return a if dtype is None else a.astype(dtype, copy=False)
    _fake_cuda.expect_no_capture("a copy from pageable memory of the host")
    return _wrap(_np.array(a, dtype, order=order or "K"))


def array(obj, dtype=None, copy=True, order="K"):
    """Make a device array of host data, or a copy of a device array."""
    new = asarray(obj, dtype, order)
    return new.copy(order) if copy and new is obj else new


def asnumpy(a, out=None):
    """Copy to NumPy: the explicit way out."""
    return a.get(out) if isinstance(a, ndarray) else _np.asarray(a)


cuda = _Namespace(**vars(_fake_cuda.cuda))
linalg, lib = _Namespace(LinAlgError=_np.linalg.LinAlgError), _Namespace()
lib.stride_tricks = _Namespace()
_public.update({name: _ufunc(name, getattr(_np, name)) for name in UFUNCS.split()})
_own = {
    "empty": _empty(_np.empty),
    "empty_like": _empty(_np.empty_like),
    "lib.stride_tricks.as_strided": _as_strided,
}
for _name, _parameters in _lines(SIGNATURES):
    _path, _, _short = _name.rpartition(".")
    _space = vars(_operator.attrgetter(_path)(_sys.modules[__name__])) if _path else _public
    _numpy = _own.get(_name) or _operator.attrgetter(_name)(_np)
    _space[_short] = _function(_short, _numpy, _parameters)
for _name in AS_FUNCTIONS.split():
    setattr(ndarray, _name, _public[_name])
for _name, _parameters in _lines(METHODS):
    setattr(ndarray, _name, _function(_name, getattr(_np.ndarray, _name), _parameters))
for _name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
    _left, _right, _in_place, _ = _operators(_name)
    setattr(ndarray, f"__{_name}__", _left)
    setattr(ndarray, f"__r{_name}__", _right)
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", _in_place)
for _name in "eq ne lt le gt ge".split():
    setattr(ndarray, f"__{_name}__", _operators(_name)[0])
for _name in "neg pos abs invert".split():
    setattr(ndarray, f"__{_name}__", _operators(_name)[3])
for _name in "shape ndim size dtype nbytes itemsize strides".split():
    setattr(ndarray, _name, property(_operator.attrgetter(f"_a.{_name}")))
for _name in "T real imag".split():
    setattr(
        ndarray, _name, property(lambda self, name=_name: _wrap(getattr(self._a, name), [self]))
    )
for _convert in (float, int, complex, bool, repr, str, format):
    setattr(ndarray, f"__{_convert.__name__}__", _host(_convert.__name__, _convert))
for _name in ("item", "tolist"):
    setattr(ndarray, _name, _host(_name, getattr(_np.ndarray, _name)))
