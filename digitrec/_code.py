"""Cache keys: they change with the source code and the libraries that a result depends on.

A result depends on the source of the classes and functions that made it, on every module that
those import, and on the versions of the libraries that these import. Modules of digitrec and of
the user are followed from import to import; what is installed counts by its version.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import math
import re
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

# Distributions whose name is not that of the package to import.
_DISTRIBUTIONS = {
    "sklearn": ("scikit-learn",),
    "skimage": ("scikit-image",),
    "PIL": ("pillow",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "markdown_it": ("markdown-it-py",),
}
# Libraries that another one uses without being imported by the code that uses it.
_INDIRECT = {"keras": ("tensorflow", "jax", "torch"), "sklearn": ("numpy", "scipy")}
_PACKAGE = __name__.partition(".")[0]
_IMPORT = re.compile(
    rb"^ *(?:from [\w.]+ import (?:\([^)]*\)|[\w, ]+)|import [\w.]+(?: as \w+)?)(?: +#.*)?$",
    re.MULTILINE,
)
_IMPORT_CALL = re.compile(rb"import_(?:optional|module)\(\"[\w.]+\"")
_FOR_TYPES = re.compile(rb"^if TYPE_CHECKING:\n(?: .*\n|\n)+", re.MULTILINE)


def cache_key(facts: Mapping[str, Any], *roots: Any, length: int = 16) -> str:
    """Return hexadecimal digits over facts and over the code that a result depends on.

    Parameters
    ----------
    facts : mapping
        JSON-safe inputs: fingerprints of data, parameters, seeds; see `describe_value`.
    *roots : object
        What makes the result: estimators (with all that they are made of), classes, functions,
        or names of modules.
    length : int
        Digits, at most 64.

    Returns
    -------
    str
        Changes whenever a fact, a line of source that a root depends on, or the version of a
        library that it imports changes.

    Examples
    --------
    >>> cache_key({"seed": 0}, "digitrec.errors") == cache_key({"seed": 0}, "digitrec.errors")
    True
    >>> cache_key({"seed": 0}, "digitrec.errors") == cache_key({"seed": 1}, "digitrec.errors")
    False
    """
    text = json.dumps({"facts": facts, "code": code_facts(*roots)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def code_facts(*roots: Any) -> dict[str, dict[str, str]]:
    """Return the modules, values and libraries that roots depend on.

    Returns
    -------
    dict
        ``modules``: sha256 of the source by module; ``values``: sha256 of classes and functions
        that have no source file (of a notebook, say); ``libraries``: version by distribution.
    """
    start: set[str] = set()
    values: dict[str, str] = {}
    for root in roots:
        if isinstance(root, str):
            start.add(root)
            continue
        for part in _parts(root):
            if _has_source(part.__module__):
                start.add(part.__module__)
            else:
                values[f"{part.__module__}.{part.__qualname__}"] = _digest_by_value(part)
    modules, libraries = _closure(start)
    for library in list(libraries):
        libraries.update(_INDIRECT.get(library, ()))
    versions = {name: version for name in sorted(libraries) if (version := _version(name))}
    return {"modules": modules, "values": values, "libraries": versions}


def describe_value(value: Any) -> Any:
    """Return a parameter's value as JSON-safe data that is the same in every process.

    Arrays are hashed; functions and classes are named (`cache_key` covers their code); no memory
    addresses occur.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, (list, tuple)):
        return [describe_value(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): describe_value(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((describe_value(item) for item in value), key=repr)
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
            return describe_value(value.item())
        digest = hashlib.sha256(repr(value.tolist()).encode()).hexdigest()[:16]
        return f"array of {value.dtype} {getattr(value, 'shape', '')} {digest}"
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_params"):
        return type(value).__name__
    text = repr(value)
    if " at 0x" not in text:
        return text
    held = getattr(value, "__dict__", {})
    return [type(value).__qualname__, describe_value(held)]


def _parts(root: Any) -> Iterator[Any]:
    """Yield the classes and functions that an object is made of."""
    if isinstance(root, (list, tuple, set, frozenset)):
        for item in root:
            yield from _parts(item)
        return
    if isinstance(root, type):
        for ancestor in root.__mro__:
            if ancestor.__module__ != "builtins":
                yield ancestor
        return
    if isinstance(root, types.FunctionType):
        yield root
        return
    if isinstance(root, functools.partial):
        yield from _parts([root.func, *root.args, *root.keywords.values()])
        return
    if isinstance(root, types.MethodType):
        yield from _parts([root.__func__, root.__self__])
        return
    if isinstance(root, (str, bytes, int, float, types.BuiltinFunctionType, type(None))):
        return
    yield from _parts(type(root))
    if hasattr(root, "get_params"):
        for value in root.get_params(deep=True).values():
            if value is not root:
                yield from _parts(value)


def _closure(start: Iterable[str]) -> tuple[dict[str, str], set[str]]:
    """Return the sources that modules depend on by name, and the top-level names of libraries."""
    modules: dict[str, str] = {}
    libraries: set[str] = set()
    waiting = sorted(start)
    while waiting:
        name = waiting.pop()
        if name in modules:
            continue
        path = _own_file(name)
        if path is None:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names:
                libraries.add(top)
            continue
        source = path.read_bytes()
        modules[name] = hashlib.sha256(source).hexdigest()[:16]
        waiting += _imports(source, name, path.name == "__init__.py")
    return modules, libraries


@functools.lru_cache(maxsize=1024)
def _imports(source: bytes, name: str, is_package: bool) -> tuple[str, ...]:
    """Return the modules that a module imports anywhere, except for type checkers."""
    found: set[str] = set()
    own = name.partition(".")[0] == _PACKAGE
    waiting: list[ast.AST] = [ast.parse(_import_lines(source) if own else source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, is_package)
            found.update(_defining_module(base, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call):
            found.update(_imported_by_call(node))
        waiting += ast.iter_child_nodes(node)
    return tuple(sorted(found))


def _import_lines(source: bytes) -> bytes:
    """Return the imports of a module of digitrec, at any depth, as statements of their own.

    To parse these takes a tenth of the time that the whole module takes. It is enough where each
    import begins a line and no text looks like one, as a test asserts for every module.
    """
    found = _IMPORT.findall(_FOR_TYPES.sub(b"", source))
    return b"\n".join(
        [line.strip() for line in found] + [call + b")" for call in _IMPORT_CALL.findall(source)]
    )


def _imported_by_call(node: ast.Call) -> list[str]:
    """Return what a call of `import_optional` or `import_module` with a name imports."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else None
    called = node.func.id if isinstance(node.func, ast.Name) else called
    if called in ("import_optional", "import_module") and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return [first.value]
    return []


def _absolute(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    parts = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _defining_module(module: str, name: str, depth: int = 0) -> str:
    """Return the module that defines a name which is imported from a module or package.

    Of a package that re-exports names only the defining module counts.
    """
    path = _own_file(module)
    if path is None or path.name != "__init__.py" or depth > 8:
        return module
    if _own_file(f"{module}.{name}") is not None:
        return f"{module}.{name}"
    reexported = _reexported(path.read_bytes(), module)
    if name in reexported:
        return _defining_module(*reexported[name], depth + 1)
    return module


@functools.lru_cache(maxsize=256)
def _reexported(source: bytes, package: str) -> dict[str, tuple[str, str]]:
    """Return the module and the name there of each name that a package's ``__init__`` imports."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            base = _absolute(node, package, is_package=True)
            found.update({alias.asname or alias.name: (base, alias.name) for alias in node.names})
    return found


def _own_file(name: str) -> Path | None:
    """Return the source file of a module of digitrec or of the user; None for installed ones."""
    if name.partition(".")[0] == _PACKAGE:
        base = Path(__file__).parent.joinpath(*name.split(".")[1:])
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
        return None
    return _user_file(name)


def _user_file(name: str) -> Path | None:
    top = name.partition(".")[0]
    # The spec of a submodule would import the library: its top-level package is enough.
    if top in sys.stdlib_module_names or _is_installed(top):
        return None
    module = sys.modules.get(name)
    if module is not None:
        origin = getattr(module, "__file__", None)
    else:
        spec = _find_spec(name)
        origin = spec.origin if spec is not None else None
    if not origin or not origin.endswith(".py"):
        return None
    path = Path(origin)
    return path if path.is_file() and not _lies_in_libraries(path) else None


@functools.cache
def _is_installed(top: str) -> bool:
    """Return whether a top-level package was installed, rather than written by the user."""
    spec = _find_spec(top)
    return spec is not None and spec.origin is not None and _lies_in_libraries(Path(spec.origin))


def _find_spec(name: str) -> Any:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None


def _lies_in_libraries(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _installed_folders())


@functools.cache
def _installed_folders() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({Path(sysconfig.get_paths()[name]) for name in names})


def _has_source(module: str) -> bool:
    if module == "__main__":
        return False
    if _own_file(module) is not None:
        return True
    found = sys.modules.get(module)
    # A library has a file, or is compiled; code typed into an interpreter has neither.
    return found is not None and (
        getattr(found, "__file__", None) is not None or getattr(found, "__spec__", None) is not None
    )


@functools.cache
def _version(package: str) -> str | None:
    """Return the version of the distribution that a top-level package comes from."""
    for distribution in _DISTRIBUTIONS.get(package, (package,)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError):
            return importlib.metadata.version(distribution)
    version = getattr(sys.modules.get(package), "__version__", None)
    return str(version) if version is not None else None


def _digest_by_value(part: Any) -> str:
    """Hash the code of a class or function, and of what it uses of its module."""
    digest = hashlib.sha256()
    seen: set[int] = set()

    def add(value: Any) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, types.CodeType):
            digest.update(value.co_code)
            digest.update(repr(value.co_names).encode())
            for constant in value.co_consts:
                add(constant)
        elif isinstance(value, types.FunctionType):
            add(value.__code__)
            add(value.__defaults__)
            for name in _names(value.__code__):
                found = value.__globals__.get(name)
                if getattr(found, "__module__", None) == value.__module__:
                    add(found)
        elif isinstance(value, type):
            digest.update(value.__qualname__.encode())
            for name, member in sorted(vars(value).items()):
                if name not in ("__dict__", "__weakref__", "__doc__", "__firstlineno__"):
                    digest.update(name.encode())
                    add(inspect.unwrap(member) if callable(member) else member)
        elif isinstance(value, (staticmethod, classmethod)):
            add(value.__func__)
        elif isinstance(value, property):
            for function in (value.fget, value.fset):
                add(function)
        elif isinstance(value, tuple):
            for item in value:
                add(item)
        else:
            text = repr(value)
            digest.update((type(value).__qualname__ if " at 0x" in text else text).encode())

    add(part)
    return digest.hexdigest()[:16]


def _names(code: types.CodeType) -> set[str]:
    """Return the global names that code, and code within it, refers to."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names
