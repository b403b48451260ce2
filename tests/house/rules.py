"""The rules of the house that no tool checks: each reads one module and yields what breaks it."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPO = Path(__file__).parents[2]

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 25
MAX_PUBLIC_METHODS = 15

# Classes that may have more public methods, each with its reason; `Driver` excuses `SqliteDriver`.
WIDE_CLASSES = {
    "Driver": "a driver is the contract's verbs",
    "RecordedStorage": "it has all operations of a storage",
}

# Who may import a library that Python does not bring: the modules whose names begin so.
LIBRARY_OWNERS = {
    "attrs": "qml",
    "sqlite3": "qml.drivers.sqlite",  # Python brings it, but not every Python was built with it
    "pysqlite3": "qml.drivers.sqlite",
    "psycopg2": "qml.drivers.postgres",
    "redis": "qml.drivers.redis",
    "rich": "qml.cli.rich_view",
    "hypothesis": "qml.testing",
    "pytest": "qml.testing",
    "flask": ("qml.flask", "qml.web"),
    "werkzeug": "qml.web",  # Flask brings these, to serve
    "jinja2": "qml.web",  # to render
    "markupsafe": "qml.web",  # and to escape
    "click": "qml.flask",  # Flask brings it, for commands
    "sqlalchemy": "qml.flask",  # which is imported only where a session of it was given
    "prometheus_client": "qml.metrics",
    "opentelemetry": "qml.tracing",
}

DRIVERS = ("memory", "sqlite", "postgres", "redis")
FRONT = ("qml.cli", "qml.metrics", "qml.testing", "qml.tracing", "qml.__main__")

# Texts that look like SQL and may stand in Python, each with its reason.
SQL_IN_PYTHON: dict[str, str] = {}

FILE_VERBS = ("read_text", "read_bytes", "write_text", "write_bytes")

# What a storage may open, as the call shows it, each with its reason.
HARMLESS_FILES = {
    "files(": "importlib.resources: what the package ships, as the page of SQL",
    "'/proc/": "the kernel's own, never a database",
}

# One word of English may look like SQL, so single words count in capitals only.
SQL = re.compile(
    r"""
    ^\s*(?: SELECT | BEGIN | COMMIT | ROLLBACK | SAVEPOINT | RELEASE | VACUUM | WITH )\b
    | (?i: ^\s*(?:
        select \s .* \s from | insert \s+ (?: or \s+ \w+ \s+ )? into | update \s+ \S+ \s+ set
        | delete \s+ from | pragma | begin \s+ (?: immediate | exclusive | deferred )
        | (?: create | alter | drop ) \s+ (?: unique \s+ )? (?: table | index )
    )\b )
    """,
    re.VERBOSE | re.DOTALL,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Broken = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Module:
    root: Path
    path: Path
    text: str
    tree: ast.Module

    @classmethod
    def read(cls, root: Path, path: Path) -> "Module":
        text = path.read_text(encoding="utf-8")
        return cls(root, path, text, ast.parse(text))

    @property
    def name(self) -> str:
        parts = self.path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]

    def imports(self) -> Iterator[tuple[int, str]]:
        """Every imported name in full: `from ..seam import codec` is `qml.seam.codec`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, self._absolute(node, alias)) for alias in node.names)

    def _absolute(self, node: ast.ImportFrom, alias: ast.alias) -> str:
        above = self.package.split(".")
        start = above[: len(above) - node.level + 1] if node.level else []
        return ".".join([*start, *([node.module] if node.module else []), alias.name])

    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


def libraries_have_owners(module: Module) -> Broken:
    for line, name in module.imports():
        library = name.partition(".")[0]
        if library == "qml" or (
            library in sys.stdlib_module_names and library not in LIBRARY_OWNERS
        ):
            continue
        owner = LIBRARY_OWNERS.get(library)
        if owner is None:
            yield line, f"{library} has no owner in LIBRARY_OWNERS"
        elif not module.name.startswith(owner):
            yield line, f"only {owner}* imports {library}"


def drivers_stand_apart(module: Module) -> Broken:
    mine = [driver for driver in DRIVERS if module.name.startswith(f"qml.drivers.{driver}")]
    others = [f"qml.drivers.{driver}" for driver in DRIVERS if driver not in mine]
    for line, name in module.imports():
        if mine and name.startswith(tuple(others)):
            yield line, f"a driver imports another: {name}"


def floors_import_no_front(module: Module) -> Broken:
    """import-linter sees modules; a name taken from `qml` itself slips through its layers."""
    if module.name == "qml" or module.name.startswith(FRONT):
        return
    for line, name in module.imports():
        root, _, rest = name.partition(".")
        child = module.root / "qml" / rest.partition(".")[0]
        if root == "qml" and (
            not rest or not (child.is_dir() or child.with_suffix(".py").exists())
        ):
            yield line, f"{name} is the front's: import it from its own module"


def modules_say_what_they_are(module: Module) -> Broken:
    first = (ast.get_docstring(module.tree) or "").partition("\n")[0]
    if not first.endswith(".") or re.search(r"[.!?] [A-Z]", first):
        yield 1, "the module's docstring begins with one sentence on one line"


def files_are_short(module: Module) -> Broken:
    lines = len(module.text.splitlines())
    if lines > MAX_FILE_LINES:
        yield lines, f"{lines} lines, more than {MAX_FILE_LINES}"


def functions_are_short(module: Module) -> Broken:
    for function in module.functions():
        lines = _lines_of_code(module, function)
        if lines > MAX_FUNCTION_LINES:
            yield function.lineno, f"{function.name} has {lines} lines, over {MAX_FUNCTION_LINES}"


def _lines_of_code(module: Module, function: Function) -> int:
    """Signature, docstring, blank lines and comments cost nothing."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    lines = module.text.splitlines()[body[0].lineno - 1 : function.end_lineno]
    return sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))


def classes_are_narrow(module: Module) -> Broken:
    for cls in module.classes():
        # A set: a property and its setter, or overloads, are one.
        names = {node.name for node in cls.body if isinstance(node, Function)}
        public = sum(1 for name in names if not name.startswith("_"))
        if public > MAX_PUBLIC_METHODS and not cls.name.endswith(tuple(WIDE_CLASSES)):
            yield cls.lineno, f"{cls.name} has {public} public methods, over {MAX_PUBLIC_METHODS}"
        elif public <= MAX_PUBLIC_METHODS and cls.name in WIDE_CLASSES:
            yield cls.lineno, f"{cls.name} needs no place in WIDE_CLASSES"


def sql_stands_on_its_page(module: Module) -> Broken:
    for line, text in _texts(module.tree):
        if SQL.search(text) and text not in SQL_IN_PYTHON:
            yield line, f"SQL outside a .sql file: {' '.join(text.split())[:60]}"


def _texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    """String literals, an f-string whole with its values left out; docstrings are none."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.lineno, child.value
        elif isinstance(child, ast.JoinedStr):
            parts = (getattr(part, "value", "") for part in child.values)
            yield child.lineno, "".join(p if isinstance(p, str) else "?" for p in parts)
        elif not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            yield from _texts(child)


def storages_open_no_files(module: Module) -> Broken:
    """Open and close of a SQLite file drops SQLite's locks on it, so nothing here opens files."""
    if not module.name.startswith(("qml.drivers", "qml.storage")):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and _opens_a_file(node):
            yield node.lineno, f"opens a file: {ast.unparse(node)[:60]}"


def _opens_a_file(call: ast.Call) -> bool:
    of, _, verb = ast.unparse(call.func).rpartition(".")
    opens = verb in FILE_VERBS or (verb == "open" and of not in ("self", "cls"))
    return opens and not any(file in ast.unparse(call) for file in HARMLESS_FILES)


RULES: tuple[Callable[[Module], Broken], ...] = (
    libraries_have_owners,
    drivers_stand_apart,
    floors_import_no_front,
    modules_say_what_they_are,
    files_are_short,
    functions_are_short,
    classes_are_narrow,
    sql_stands_on_its_page,
    storages_open_no_files,
)


def breaks(rule: Callable[[Module], Broken], root: Path) -> list[str]:
    """What breaks the rule in the package `qml` below the root, as `file:line: what`."""
    return [
        f"{module.path.relative_to(root)}:{line}: {what}"
        for module in _modules(root)
        for line, what in rule(module)
    ]


@cache
def _modules(root: Path) -> list[Module]:
    return [Module.read(root, path) for path in sorted((root / "qml").rglob("*.py"))]
