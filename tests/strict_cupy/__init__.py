"""Strict CPU stand-in for CuPy: same refusals, same types, CUDA-graph semantics. `strict_cupy.install()` puts it
in sys.modules as cupy / cupyx.  API surface frozen from the real wheel (manifest.json).  Divergent or undefined
behaviour of CuPy (out-of-range index wraps, duplicate indices in a[i]=v) is refused, not imitated."""
import functools, json, pathlib, sys, types
import numpy as np

_M = json.loads((pathlib.Path(__file__).parent / "manifest.json").read_text())
_SYNC = {"nonzero", "flatnonzero", "argwhere", "unique", "asnumpy", "compress", "extract", "array_equiv"}
_BLAS = {"matmul", "dot", "tensordot", "inner", "vdot", "einsum", "kron"} | set(_M["linalg"])   # NotImplementedError while capturing
_H2D_OK = {"reshape", "array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "einsum", "asnumpy", "copyto"}
_PASS = {"get_array_module", "shape", "ndim", "size", "result_type", "can_cast", "promote_types", "issubdtype", "isscalar", "iscomplexobj"}
_SCALARS = (int, float, complex, bool, np.generic)
stats = {"sync": 0, "h2d": 0, "launch": 0, "f64": 0}
_tape = None                                       # list while a stream is capturing


class StrictError(Exception):
    """CuPy would silently do something else than NumPy (or undefined) here."""


def _wrap(r):
    if isinstance(r, np.ndarray):
        return ndarray._from(r)
    if isinstance(r, np.generic):
        return ndarray._from(np.asarray(r))       # reductions return 0-d device arrays
    return type(r)(*map(_wrap, r)) if hasattr(r, "_fields") else type(r)(map(_wrap, r)) if isinstance(r, (tuple, list)) else r


def _raw(x, name):
    if isinstance(x, ndarray):
        return x._a
    if isinstance(x, np.ndarray) and name not in _H2D_OK:
        raise TypeError(f"Unsupported type {type(x)} (cupy.{name}: no implicit host-to-device copy)")
    if isinstance(x, np.ndarray):
        _host("h2d")
        return x.copy()                            # an upload never aliases host memory
    return type(x)(_raw(i, name) for i in x) if isinstance(x, (list, tuple)) and not hasattr(x, "_fields") else x


def _host(kind):
    stats[kind] += 1
    if _tape is not None:
        raise RuntimeError("the current stream is capturing, so synchronous API calls / transfers are disallowed")


def _check_index(idx):
    for i in idx if isinstance(idx, tuple) else (idx,):
        if isinstance(i, (np.ndarray, list)):
            _host("h2d")
        if isinstance(i, ndarray) and i.dtype == bool:
            _host("sync")
    return tuple(_raw(i, "asarray") for i in idx) if isinstance(idx, tuple) else _raw(idx, "asarray")


def _launch(fn, target=None):
    """Run fn (returns raw result) now, or record it: while capturing nothing is executed and outputs are garbage."""
    stats["launch"] += 1
    keep = target.copy() if _tape is not None and target is not None else None
    r = fn()
    if _tape is not None:
        if target is not None:
            np.copyto(target, keep)
            _tape.append(fn)
        elif isinstance(r, (np.ndarray, np.generic)):
            r = np.asarray(r).copy()
            _tape.append(lambda: np.copyto(r, fn()))
            r.fill(np.nan if r.dtype.kind in "fc" else 77)
    return r


def _call(name, np_fn, args, kw, spec):
    if name in _PASS:
        return np_fn(*[a._a if isinstance(a, ndarray) else a for a in args], **kw)
    if "ufunc" in spec:
        if set(kw) - {"out", "dtype", "casting"}:
            raise TypeError(f"Wrong arguments {kw}")
        for a in args:
            if not isinstance(a, (ndarray, *_SCALARS)):
                raise TypeError(f"Unsupported type {type(a)}")
    elif spec.get("params") is not None and not spec["varkw"] and set(kw) - set(spec["params"]):
        raise TypeError(f"cupy.{name}() got an unexpected keyword argument {sorted(set(kw) - set(spec['params']))}")
    if name in _SYNC or (name == "where" and len(args) == 1):
        _host("sync")
    if name in _BLAS and _tape is not None:
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    if name in ("array", "asarray", "asanyarray", "full") and _tape is not None and not isinstance(args[0], (ndarray, tuple, int)):
        _host("h2d")
    out = kw.get("out")
    if out is not None and not isinstance(out, ndarray):
        raise TypeError("out must be a cupy.ndarray")
    ra, rk = [_raw(a, name) for a in args], {k: _raw(v, name) for k, v in kw.items()}
    if name in ("array", "asarray", "asanyarray") and "copy" not in rk and np.ndim(ra[0]) == 0 and isinstance(ra[0], np.ndarray):
        rk["copy"] = None if name != "array" else True
    rk.pop("blocking", None)
    r0 = np_fn(*ra, **rk) if out is None else None
    if isinstance(r0, (np.ndarray, np.generic)) and r0.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {r0.dtype}")
    if out is None and isinstance(r0, np.ndarray) and any(isinstance(a, np.ndarray) and np.may_share_memory(r0, a) for a in ra):
        return _wrap(r0)                           # a view: no kernel
    r = _launch(lambda: np_fn(*ra, **rk), out._a if out is not None else None)
    if isinstance(r, (np.ndarray, np.generic)):
        stats["f64"] += r.dtype == np.float64 and any(getattr(a, "dtype", None) == np.float32 for a in ra)
    return out if out is not None else _wrap(r)


class ndarray:
    __module__ = "cupy"
    __array_priority__, __hash__ = 100, None
    __slots__ = ("_a",)

    def __init__(self, shape, dtype=float, *_, **__):
        self._a = np.full(shape, 0, dtype)
        self._a.fill(np.nan if self._a.dtype.kind in "fc" else 77)          # uninitialised memory is garbage

    @classmethod
    def _from(cls, a):
        s = object.__new__(cls)
        s._a = a
        return s

    def __array__(self, *a, **k):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly.")

    def __array_ufunc__(self, uf, method, *inputs, **kw):
        fn = globals_get(uf.__name__)
        if method == "at" and uf.__name__ in ("add", "maximum", "minimum"):
            return scatter(uf, *inputs)
        if fn is None or method != "__call__":
            return NotImplemented
        if isinstance(kw.get("out"), tuple):
            kw["out"], = kw["out"]
        if not all(isinstance(x, (ndarray, np.ndarray, *_SCALARS)) for x in inputs):
            return NotImplemented
        return fn(*inputs, **kw)

    def __array_function__(self, func, ts, args, kw):
        try:
            fn = getattr(functools.reduce(getattr, func.__module__.split(".")[1:], sys.modules[__name__]), func.__name__)
        except AttributeError:
            return NotImplemented
        return fn(*args, **kw) if all(issubclass(t, (ndarray, np.ndarray)) for t in ts) else NotImplemented

    def get(self, *a, **k):
        _host("sync")
        return self._a.copy()

    def set(self, v):
        _host("h2d")
        np.copyto(self._a, v, casting="no")

    def item(self, *a): return self.get().item(*a)
    def tolist(self): return self.get().tolist()
    def __float__(self): return float(self.get())
    def __int__(self): return int(self.get())
    def __bool__(self): return bool(self.get())
    def __len__(self): return len(self._a)
    def __iter__(self): return (self[i] for i in range(len(self)))
    def __repr__(self): return repr(self._a)

    def __getitem__(self, idx):
        raw = _check_index(idx)
        raw = raw if isinstance(raw, tuple) else (raw,)
        raw = raw if any(i is Ellipsis for i in raw) else (*raw, ...)          # x[0] of a vector is a 0-d view
        r = self._a[raw]
        return _wrap(r if np.may_share_memory(r, self._a) else _launch(lambda: self._a[raw]))   # IndexError where CuPy would wrap

    def __setitem__(self, idx, v):
        raw = _check_index(idx)
        if isinstance(v, np.ndarray) and v.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        for i in raw if isinstance(raw, tuple) else (raw,):
            if isinstance(i, np.ndarray) and i.dtype.kind in "iu" and len(np.unique(i % max(1, self._a.shape[0]))) < i.size and isinstance(v, ndarray) and v.size > 1:
                raise StrictError("duplicate indices in a[i] = v: undefined on a GPU")
        rv = _raw(v, "setitem")
        _launch(lambda: self._a.__setitem__(raw, rv), self._a)

    def fill(self, v): _launch(lambda: self._a.fill(_raw(v, "fill")), self._a)
    def astype(self, dt, copy=True, **k): return self if not copy and self._a.dtype == dt else _wrap(_launch(lambda: self._a.astype(dt)))
    def copy(self, order="C"): return _wrap(_launch(lambda: self._a.copy()))
    def view(self, dtype=None, array_class=None):
        if isinstance(dtype, type) and issubclass(dtype, (np.ndarray, ndarray)):
            raise StrictError("x.view(numpy.ndarray): CuPy reinterprets the bytes as dtype object")
        return self._from(self._a.view(dtype) if dtype is not None else self._a.view())
    flags = property(lambda s: s._a.flags)
    T = property(lambda s: s._from(s._a.T))
    data = property(lambda s: types.SimpleNamespace(ptr=s._a.ctypes.data))

    def __getattr__(self, n):
        if n not in _M["ndarray"]:
            raise AttributeError(f"'cupy.ndarray' object has no attribute {n!r}")
        a = getattr(self._a, n)
        if not callable(a):
            return a
        spec = _M["cupy"].get(n, {"params": None})

        def method(*args, **kw):
            if n in _SYNC:
                _host("sync")
            return _call(n, lambda arr, *p, **k: getattr(arr, n)(*p, **k), (self, *args), kw, spec)
        return method


def _binop(np_uf, reflected=False, inplace=False):
    def f(self, other):
        if hasattr(type(other), "__array_ufunc__") and not isinstance(other, (ndarray, np.ndarray, *_SCALARS)):
            return np_uf(other, self) if reflected else np_uf(self, other)     # e.g. an autograd Box
        if inplace:
            return globals_get(np_uf.__name__)(self, other, out=self)
        return globals_get(np_uf.__name__)(*((other, self) if reflected else (self, other)))
    return f


def globals_get(name):
    try:
        return getattr(sys.modules[__name__], name)
    except AttributeError:
        return None


for _n, _u in dict(add="add", sub="subtract", mul="multiply", truediv="true_divide", floordiv="floor_divide", mod="remainder", pow="power", matmul="matmul").items():
    setattr(ndarray, f"__{_n}__", _binop(getattr(np, _u)))
    setattr(ndarray, f"__r{_n}__", _binop(getattr(np, _u), reflected=True))
    setattr(ndarray, f"__i{_n}__", _binop(getattr(np, _u), inplace=True))
for _n, _u in dict(lt="less", le="less_equal", gt="greater", ge="greater_equal", eq="equal", ne="not_equal").items():
    setattr(ndarray, f"__{_n}__", _binop(getattr(np, _u)))
for _n, _u in dict(neg="negative", abs="absolute", invert="invert").items():
    setattr(ndarray, f"__{_n}__", lambda s, _u=_u: globals_get(_u)(s))


def scatter(uf, a, idx, v):
    raw, rv = _check_index(idx), _raw(v, "at")
    _launch(lambda: uf.at(a._a, raw, rv), a._a)


def _module(section, np_mod, name):
    m = types.ModuleType(name)

    def ga(n):
        spec = _M[section].get(n)
        if spec is None:
            raise AttributeError(f"module {name!r} has no attribute {n!r} (CuPy {_M['version']})")
        f = getattr(np_mod, n)
        return f if spec.get("class") else functools.wraps(f)(lambda *a, **k: _call(n, f, a, k, spec))
    m.__getattr__ = ga
    return m


def get_array_module(*args): return sys.modules[__name__] if any(isinstance(a, ndarray) for a in args) else np
def asnumpy(a, *_, **__): return a.get() if isinstance(a, ndarray) else np.asarray(a)
def fuse(*a, **k): return a[0] if a and callable(a[0]) else (lambda f: f)


class Stream:
    ptr = 12345
    def __init__(self, null=False, non_blocking=False, **k): self.null = null
    def __enter__(self): return self
    def __exit__(self, *a): pass
    def synchronize(self): _host("sync")
    def is_capturing(self): return _tape is not None

    def begin_capture(self, mode=None):
        global _tape
        if self.null:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        _tape = []

    def end_capture(self):
        global _tape
        t, _tape = _tape, None
        return types.SimpleNamespace(launch=lambda stream=None: [f() for f in t] and None, upload=lambda s=None: None, nodes=len(t))


def __getattr__(n):
    if n in ("pi", "e", "inf", "nan", "newaxis", "euler_gamma"):
        return getattr(np, n)
    spec = _M["cupy"].get(n)
    if spec is None:
        raise AttributeError(f"module 'cupy' has no attribute {n!r} (CuPy {_M['version']})")
    f = getattr(np, n)
    return f if spec.get("class") else functools.wraps(f)(lambda *a, **k: _call(n, f, a, k, spec))


linalg = _module("linalg", np.linalg, "cupy.linalg")
fft = _module("fft", np.fft, "cupy.fft")
cuda = types.SimpleNamespace(Stream=Stream, is_available=lambda: True, Event=Stream, using_allocator=lambda a=None: Stream(),
                             MemoryPool=lambda *a: types.SimpleNamespace(malloc=None), runtime=types.SimpleNamespace(getDeviceCount=lambda: 1),
                             get_current_stream=lambda: Stream(null=True), Device=lambda i=0: Stream(null=True))


class Generator:
    def __init__(self, seed=None): self._g = np.random.default_rng(seed)

    def __getattr__(self, n):
        if n not in _M["Generator"]:
            raise AttributeError(f"'cupy.random.Generator' object has no attribute {n!r}")
        def draw(*a, dtype=float, **k):
            if n == "uniform" and _tape is not None:
                _host("h2d")
            dt = {"dtype": np.int64 if n == "integers" and dtype is float else dtype} if n in ("random", "standard_normal", "integers") else {}
            return _wrap(_launch(lambda: np.asarray(getattr(self._g, n)(*a, **dt, **k))))
        return draw


random = _module("random", np.random, "cupy.random")
random.default_rng, random.Generator = (lambda seed=None: Generator(seed)), Generator


def install():
    import scipy.special as sp
    me = sys.modules[__name__]
    cx, cs = types.ModuleType("cupyx"), types.ModuleType("cupyx.scipy")
    cx.scatter_add = lambda a, i, v: scatter(np.add, a, i, v)
    cx.rsqrt = lambda a, out=None: _call("rsqrt", lambda x, out=None: np.divide(1, np.sqrt(x), out=out), (a,), {} if out is None else {"out": out}, {"ufunc": [1, 1]})
    cx.scipy, cs.special = cs, _module("special", sp, "cupyx.scipy.special")
    sys.modules.update({"cupy": me, "cupy.linalg": linalg, "cupy.random": random, "cupyx": cx, "cupyx.scipy": cs, "cupyx.scipy.special": cs.special})
    return me
