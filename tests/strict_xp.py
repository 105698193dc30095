"""A strict double of CuPy: what CuPy refuses, this refuses, on a machine without a GPU.

The module is itself the array module (`get_xp` finds it through the type's `__module__`, as it
finds CuPy). Its `ndarray` wraps a NumPy array rather than subclassing it, so nothing slips through:
implicit conversion raises CuPy's TypeError, NumPy operands are refused everywhere, names and
keywords that CuPy does not have are missing, and reductions stay 0-d arrays, whose `float()` is a
synchronisation and is counted.
"""
# ruff: noqa: SIM905 (lists of names read better as text)

from typing import Any

import numpy as _np

# What of CuPy 14's namespace is offered. Left out on purpose, as CuPy leaves them out: vecdot,
# errstate, memmap, random; left out as unused: the rest.
_FUNCTIONS = frozenset("""
    abs absolute add allclose amax amin arange argmax argmin argsort array_equal bincount
    broadcast_to ceil clip concatenate copyto cos count_nonzero cumsum diag divide dot einsum empty
    empty_like equal exp expand_dims expm1 eye flip floor full full_like greater greater_equal inner
    isfinite isnan less less_equal log log1p logical_and logical_not logical_or matmul max maximum
    mean min minimum moveaxis multiply negative nonzero not_equal ones ones_like outer power prod
    ravel reciprocal repeat reshape sign sin sort split sqrt square squeeze stack std subtract sum
    swapaxes take take_along_axis tanh tensordot tile transpose tri tril triu true_divide unique var
    vdot where zeros zeros_like all any copy log2 rint
""".split())  # fmt: skip
_CONSTANTS = frozenset("""
    bool_ dtype e finfo float16 float32 float64 iinfo inf int8 int16 int32 int64 intp nan newaxis pi
    result_type uint8 uint16 uint32 uint64
""".split())  # fmt: skip
_METHODS = frozenset("""
    all any argmax argmin argsort astype clip copy cumsum dot flatten max mean min nonzero
    prod ravel repeat reshape round squeeze std sum swapaxes take transpose var view
""".split())  # fmt: skip
_ATTRIBUTES = frozenset("dtype itemsize nbytes ndim shape size strides".split())
_SCATTERS = frozenset({"add", "maximum", "minimum", "subtract"})  # ufuncs with a float `.at`
_NO_SUCH_KEYWORD = frozenset({"where", "initial", "subok", "signature", "order", "like"})
_BINARY = """add sub mul truediv floordiv mod pow matmul and or xor lshift rshift""".split()
_COMPARE = """eq ne lt le gt ge""".split()

synchronisations = 0


def _synchronise() -> None:
    global synchronisations
    synchronisations += 1


def _unwrap(value: Any) -> Any:
    """The NumPy array inside; a TypeError for what is on the host."""
    if isinstance(value, ndarray):
        return value._data
    if isinstance(value, _np.ndarray | _np.generic):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, tuple | list):
        return type(value)(_unwrap(item) for item in value)
    return value


def _wrap(value: Any) -> Any:
    if isinstance(value, _np.ndarray | _np.generic):
        return ndarray(_np.asarray(value))
    if isinstance(value, tuple | list):
        return type(value)(_wrap(item) for item in value)
    return value


def _call(function: Any, *args: Any, name: str, **kwargs: Any) -> Any:
    allowed = {"where"} if name == "copyto" else {"order"} if name in ("astype", "copy") else set()
    refused = (_NO_SUCH_KEYWORD - allowed) & kwargs.keys()
    if name == "einsum":
        refused |= {"out"} & kwargs.keys()
    if refused:
        raise TypeError(f"{name}() got an unexpected keyword argument {min(refused)!r}")
    out = kwargs.get("out")
    result = function(*_unwrap(args), **{key: _unwrap(value) for key, value in kwargs.items()})
    if out is not None:
        return out[0] if isinstance(out, tuple) else out
    return _wrap(result)


class _Function:
    def __init__(self, name: str) -> None:
        self._name, self._function = name, getattr(_np, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _call(self._function, *args, name=self._name, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "at" and self._name in _SCATTERS:
            return lambda *args: _call(self._function.at, *args, name="at")
        raise AttributeError(f"cupy.{self._name} has no attribute {name!r}")


class _Flags:
    def __init__(self, data: _np.ndarray) -> None:
        self.c_contiguous = data.flags.c_contiguous
        self.f_contiguous = data.flags.f_contiguous
        self.owndata = data.flags.owndata


class ndarray:
    """An array "on the device"."""

    __slots__ = ("_data",)
    __array_ufunc__ = None  # np.exp(a), and numpy_array + a, are refused
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: _np.ndarray) -> None:
        self._data = data

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __getattr__(self, name: str) -> Any:
        if name in _ATTRIBUTES:
            return getattr(self._data, name)
        if name in _METHODS:
            method = getattr(self._data, name)
            return lambda *args, **kwargs: _call(method, *args, name=name, **kwargs)
        raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")

    T = property(lambda self: ndarray(self._data.T))
    flags = property(lambda self: _Flags(self._data))
    base = property(lambda self: _wrap(self._data.base))

    def __getitem__(self, key: Any) -> Any:
        return _wrap(self._data[_unwrap(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._data[_unwrap(key)] = _unwrap(value)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Any:
        return (_wrap(row) for row in self._data)

    def __repr__(self) -> str:
        return f"strict({self._data!r})"

    def __neg__(self) -> Any:
        return ndarray(-self._data)

    def __abs__(self) -> Any:
        return ndarray(abs(self._data))

    def __invert__(self) -> Any:
        return ndarray(~self._data)

    def fill(self, value: Any) -> None:
        self._data.fill(_unwrap(value))

    # What moves a value to the host waits for the device.

    def get(self) -> _np.ndarray:
        _synchronise()
        return self._data.copy()

    def set(self, host: _np.ndarray) -> None:
        self._data[...] = host

    def item(self, *args: Any) -> Any:
        _synchronise()
        return self._data.item(*args)

    def tolist(self) -> Any:
        _synchronise()
        return self._data.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        _synchronise()
        return self._data.__index__()

    def __bool__(self) -> bool:
        _synchronise()
        return bool(self._data)


def _operator(name: str) -> Any:
    def operate(self: ndarray, other: Any) -> Any:
        result = getattr(self._data, name)(_unwrap(other))
        return self if result is self._data else _wrap(result)

    return operate


for _name in _BINARY:
    for _prefix in ("", "r", "i"):
        setattr(ndarray, f"__{_prefix}{_name}__", _operator(f"__{_prefix}{_name}__"))
for _name in _COMPARE:
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))


def asarray(values: Any, dtype: Any = None) -> ndarray:
    """Host values are copied to the device; what is there already stays."""
    if isinstance(values, ndarray):
        return values if dtype in (None, values.dtype) else ndarray(values._data.astype(dtype))
    return ndarray(_np.array(values, dtype=dtype))


def array(values: Any, dtype: Any = None) -> ndarray:
    return ndarray(_np.array(values._data if isinstance(values, ndarray) else values, dtype=dtype))


def ascontiguousarray(values: ndarray) -> ndarray:
    return ndarray(_np.ascontiguousarray(_unwrap(values)))


def asnumpy(values: ndarray) -> _np.ndarray:
    return values.get()


class _Stream:
    def synchronize(self) -> None:
        _synchronise()


class _Cuda:
    Stream = type("Stream", (_Stream,), {"null": _Stream()})
    Device = _Stream

    def get_current_stream(self) -> _Stream:
        return _Stream()


cuda = _Cuda()


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return _Function(name)
    if name in _CONSTANTS:
        return getattr(_np, name)
    raise AttributeError(f"module 'cupy' has no attribute {name!r}")
