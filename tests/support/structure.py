"""The structure of a package, read from its source without importing it, and what must hold of it.

Every check takes the folder that holds the package, and the package's name, and returns what breaks it, a
line each: it can be tried on a package that is wrong. A page is a file of a package; a map is an
`__init__.py`, which only re-exports. A name is written as in "accel.density.maf".
"""
import ast
import functools
from pathlib import Path
from typing import NamedTuple

__all__ = ["COLUMNS", "LINES", "RANKS", "Page", "pages", "public_pages", "imports", "roots", "cycles",
           "unlisted_names", "upward_imports", "long_lines", "annotations_missing", "entries_missing",
           "examples", "has_functions"]

COLUMNS, LINES = 110, 200
FLOORS = (                                                     # from the ground up
    ("device", "generators", "memory", "runtime"),
    ("preprocessing",),
    ("nets", "priors", "training"),
    ("numerics",),
    ("density", "representation", "simulators", "validation"),
    ("generative", "inference"),
)
RANKS = {room: rank for rank, rooms in enumerate(FLOORS) for room in rooms}
BELOW_KERNELS = ("device", "generators", "memory", "runtime")


class Page(NamedTuple):
    """One file: its dotted name, where it is, its text, its syntax tree, and whether it is a map."""
    name: str
    path: Path
    text: str
    tree: ast.Module
    is_map: bool

    @property
    def listed(self):
        """The names in `__all__`, None where there is none: a list, or a sum of lists and of names of
        lists."""
        return _listed(self.tree)

    @property
    def shared(self):
        """The names in SHARED: what other pages use and users do not."""
        return _lists(self.tree).get("SHARED", [])


@functools.cache
def pages(root, package):
    """Every file of the package, {dotted name: Page}."""
    found = {}
    for path in sorted((Path(root) / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_map = parts[-1] == "__init__"
        name, text = ".".join(parts[:-1] if is_map else parts), path.read_text("utf-8")
        found[name] = Page(name, path, text, ast.parse(text), is_map)
    return found


def public_pages(root, package):
    """The pages that are no maps, private to no one, and no launchers of kernels: {dotted name: Page}."""
    return {name: page for name, page in pages(root, package).items()
            if not page.is_map and not any(part.startswith("_") for part in name.split("."))
            and name.split(".")[1] != "kernels"}


def _lists(tree):
    """The lists of strings that the module assigns to names, each with what is added to it later."""
    found = {}

    def value(node):
        if isinstance(node, ast.Name):
            return found[node.id]
        if isinstance(node, ast.Starred):
            return value(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return value(node.left) + value(node.right)
        if isinstance(node, (ast.List, ast.Tuple)):
            return [name for item in node.elts
                    for name in (value(item) if isinstance(item, ast.Starred) else [ast.literal_eval(item)])]
        raise ValueError(f"line {node.lineno}: expected a list of names")

    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in (
                "__all__", "SHARED"):
            found[node.targets[0].id] = value(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target,
                                                            ast.Name) and node.target.id == "__all__":
            found["__all__"] = found["__all__"] + value(node.value)
    return found


def _listed(tree):
    return _lists(tree).get("__all__")


class _Uses(ast.NodeVisitor):
    """What a file takes from other files of its package: {(file, name or None): line}; None where it takes
    the file itself.

    Names are followed as Python does: a parameter or a variable that has the name of an imported module hides
    it.
    """

    def __init__(self, page, known):
        self.page, self.known, self.found, self.scopes = page, known, {}, [{}]
        self._enter(page.tree.body)

    def _enter(self, body, hidden=()):
        self.scopes.append(dict.fromkeys(hidden) | _bound(body))
        for node in body:
            self.visit(node)
        self.scopes.pop()

    def _module(self, node):
        """The module of the package that an expression is, or None."""
        if isinstance(node, ast.Name):
            scope = next((scope for scope in reversed(self.scopes) if node.id in scope), {})
            return scope.get(node.id)
        if isinstance(node, ast.Attribute):
            inner = self._module(node.value)
            return f"{inner}.{node.attr}" if inner and f"{inner}.{node.attr}" in self.known else None
        return None

    def _take(self, module, name, line):
        """Take a name from a module: a file, or what a map re-exports."""
        self.found.setdefault((module, name), line)
        page = self.known[module]
        if name and page.is_map:
            for source, original in _reexports(page, self.known).get(name, ()):
                self.found.setdefault((source, original), line)

    def _visit_import(self, node):
        for bound, module, name in _imported(node, self.page, self.known):
            self.scopes[-1][bound] = module if name is None else None
            self._take(module, name, node.lineno)

    visit_Import = visit_ImportFrom = _visit_import

    def visit_Attribute(self, node):
        module = self._module(node.value)
        if module and f"{module}.{node.attr}" not in self.known:
            self._take(module, node.attr, node.lineno)
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults),
                     *(arg.annotation for arg in _arguments(node.args) if arg.annotation),
                     *filter(None, [node.returns])):
            self.visit(part)
        self._enter(node.body, [arg.arg for arg in _arguments(node.args)])

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        for part in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)
        self._enter([node.body], [arg.arg for arg in _arguments(node.args)])

    def visit_ClassDef(self, node):
        for part in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self.visit(part)
        self._enter(node.body)

    def _comprehension(self, node):
        hidden = [name.id for part in node.generators
                  for name in ast.walk(part.target) if isinstance(name, ast.Name)]
        self.visit(node.generators[0].iter)
        self._enter(list(ast.iter_child_nodes(node)), hidden)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_comprehension(self, node):
        for part in (node.iter, *node.ifs):
            self.visit(part)


def _arguments(args):
    return [*args.posonlyargs, *args.args, *filter(None, [args.vararg]), *args.kwonlyargs,
            *filter(None, [args.kwarg])]


def _bound(body):
    """The names that statements assign, outside of functions and classes in them, {name: None}."""
    found = {}

    def walk(node):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = None
            return
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            return
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = None
        for child in ast.iter_child_nodes(node):
            walk(child)
    for node in body:
        walk(node)
    return found


def _imported(node, page, known):
    """(bound name, module, name in it or None for the module itself) for what an import takes of the
    package."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name in known:
                yield (alias.asname, alias.name, None) if alias.asname else (
                    alias.name.partition(".")[0], alias.name.partition(".")[0], None)
                if not alias.asname and "." in alias.name:
                    yield "", alias.name, None
        return
    module = node.module or ""
    if node.level:
        parts = page.name.split(".") if page.is_map else page.name.split(".")[:-1]
        module = ".".join([*parts[:len(parts) - node.level + 1], *filter(None, [node.module])])
    if module in known:
        for alias in node.names:
            whole = f"{module}.{alias.name}"
            yield (alias.asname or alias.name, whole, None) if whole in known else (
                alias.asname or alias.name, module, alias.name)


def _reexports(page, known):
    """{name: [(file, its name there)]} of a map."""
    found = {}
    for node in page.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for bound, module, name in _imported(node, page, known):
                if name is not None:
                    found.setdefault(bound, []).append((module, name))
    return found


@functools.cache
def imports(root, package, name):
    """What one file takes from others, {(file, name or None): line}; late imports count, and so does what a
    map hands on."""
    known = pages(root, package)
    return _Uses(known[name], known).found


def roots(page):
    """The packages that a file imports, late imports included."""
    found = set()
    for node in ast.walk(page.tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def cycles(root, package):
    """Circles of imports between files, maps left out: ["a → b → a", …]."""
    known = pages(root, package)
    graph = {name: sorted({other for other, _ in imports(root, package, name) if not known[other].is_map
                           and other != name}) for name, page in known.items() if not page.is_map}
    index, low, stack, found = {}, {}, [], []

    def visit(node):                                           # Tarjan's strongly connected components
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(group) > 1:
                found.append(_circle(graph, group))
    for node in graph:
        if node not in index:
            visit(node)
    return found


def _circle(graph, group):
    """The shortest circle through the first file of a group whose files reach each other."""
    start = min(group)
    paths, seen = [[start]], {start}
    while paths:
        path = paths.pop(0)
        for other in graph[path[-1]]:
            if other == start:
                return " → ".join([*path, start])
            if other in group and other not in seen:
                seen.add(other)
                paths.append([*path, other])
    raise AssertionError("no circle in a strongly connected group")


def unlisted_names(root, package, name):
    """Names that one file takes from another without being in its `__all__`."""
    known = pages(root, package)
    found = []
    for (other, taken), line in imports(root, package, name).items():
        if taken is not None and other != name and taken not in (known[other].listed
                                                                 or ()) and taken != "__version__":
            found.append(f"{name}:{line} uses {other}.{taken}, which __all__ of {other} does not list")
    return found


def upward_imports(root, package, name):
    """Imports of one file that do not point down: RANKS says what stands on what; a kernel's launcher imports
    no page."""
    room, found = name.split(".")[1] if "." in name else "", []
    for (other, _), line in imports(root, package, name).items():
        below = other.split(".")[1] if "." in other else ""
        if room == "kernels":
            wrong = below not in (*BELOW_KERNELS, "kernels", "")
        else:
            wrong = room in RANKS and below in RANKS and RANKS[below] > RANKS[room]
        if wrong:
            found.append(f"{name}:{line} imports {other}: {room} stands below {below}")
    return found


def long_lines(path):
    """Lines of more than COLUMNS columns."""
    lines = Path(path).read_text("utf-8").splitlines()
    return [f"{path}:{number} has {len(line)} columns"
            for number, line in enumerate(lines, 1) if len(line) > COLUMNS]


def annotations_missing(page):
    """Parameters and results without an annotation, of the functions and methods that users call."""
    public, found = set(page.listed or ()) - set(page.shared), []
    for node in page.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in public:
            found += _bare(node, node.name)
        if isinstance(node, ast.ClassDef) and node.name in public:
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and (not method.name.startswith("_")
                                                            or method.name == "__init__"):
                    found += _bare(method, f"{node.name}.{method.name}", is_method=True)
    return [f"{page.name}.{what}" for what in found]


def _bare(function, name, is_method=False):
    static = any(isinstance(node, ast.Name) and node.id == "staticmethod" for node in function.decorator_list)
    arguments = _arguments(function.args)[1 if is_method and not static else 0:]
    found = [f"{name}: {argument.arg}" for argument in arguments if argument.annotation is None]
    return found + ([f"{name}: the result"] if function.returns is None
                    and not name.endswith(".__init__") else [])


def entries_missing(root, package, name):
    """Pages and folders beside a map that its docstring, or outside of kernels its `__all__`, does not
    name."""
    known = pages(root, package)
    below = [other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == name]
    below = [entry for entry in below if not entry.startswith("_")]
    words = [word.strip("/") for word in (ast.get_docstring(known[name].tree) or "").split()]
    found = [f"{name} does not describe {entry}" for entry in below if entry not in words]
    if "kernels" not in name.split("."):
        listed = known[name].listed or ()
        reexported = {module.rpartition(".")[2] for pairs in _reexports(known[name], known).values()
                      for module, _ in pairs}
        found += [f"{name}.__all__ does not list {entry}"
                  for entry in below if entry not in listed and entry not in reexported]
    return found


def examples(page):
    """The lines of the example in a page's docstring: those after >>> and ..., and what they print."""
    lines = (ast.get_docstring(page.tree) or "").splitlines()
    start = next((i for i, line in enumerate(lines) if line.lstrip().startswith(">>> ")), None)
    return [] if start is None else [line.strip() for line in lines[start:]]


def has_functions(page):
    """Whether users can call something of the page: a public function, or a method of a public class that is
    no protocol."""
    public = set(page.listed or ()) - set(page.shared)
    for node in page.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in public:
            return True
        if isinstance(node, ast.ClassDef) and node.name in public and "Protocol" not in map(ast.unparse,
                                                                                            node.bases):
            if any(isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
                   for method in node.body):
                return True
    return False
