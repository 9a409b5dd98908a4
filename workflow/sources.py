"""Which modules a program consists of, and a digest of each that its words leave as it is.

Words are comments, docstrings, layout, and the ``facts`` of a network (see mfaranet.models.facts).
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mfaranet.files import read_yaml

PACKAGES = ("mfaranet", "workflow")


def digests(roots: Iterable[str], files: Iterable[str] = ()) -> dict[str, str]:
    """The digest of each of our modules that the given ones import, directly or not, and of these; by name.

    Imports in functions count, those for type checkers do not. A module that is imported by a name which the program
    works out, as networks are, is not seen and has to be given. ``files`` are those that it reads beside modules, YAML
    by what it means and others by their text; a name that is none is left out.
    """
    found = {name: _data(Path(name)) for name in files if Path(name).exists()}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _path(name)):
            found[name], imported = _read(path)
            waiting += imported
    return dict(sorted(found.items()))


def facts_digest(modules: Iterable[str]) -> str:
    """A digest of the ``facts`` of all classes in modules, which the digests of these do without."""
    paths = [path for path in map(_path, modules) if path]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return digest([_shape(each) for node in classes for each in node.body if _is_facts(each)])


@cache
def _read(path: Path) -> tuple[str, list[str]]:
    tree = _Bare().visit(ast.parse(path.read_text(encoding="utf-8")))
    return digest(_shape(tree))[:16], sorted(set(_imports(tree)))


@cache
def _data(path: Path) -> str:
    return digest(read_yaml(path) if path.suffix == ".yaml" else path.read_text(encoding="utf-8"))[:16]


def digest(content: Any) -> str:
    """SHA-256 of what JSON can hold, the same for the same values in any order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@cache
def _path(name: str) -> Path | None:
    """The file of one of our modules, None for what is none."""
    module = Path(*name.split("."))
    path = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    return path if module.parts[0] in PACKAGES and path.exists() else None


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if _path(name):
                parts = name.split(".")
                yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _is_facts(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "facts" for to in node.targets)


class _Bare(ast.NodeTransformer):
    """Leaves out what changes nothing that is computed.

    That are strings that stand alone, a class's ``facts``, and what type checkers alone read.
    """

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [each for each in node.body if not _is_facts(each)]
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_string = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_string else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        for_checkers = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if for_checkers else self.generic_visit(node)


def _shape(node: Any) -> Any:
    """A syntax tree as JSON; without what is empty, as some versions of Python name more fields than others."""
    if isinstance(node, ast.AST):
        fields = {name: _shape(value) for name, value in ast.iter_fields(node) if value not in (None, [])}
        return {type(node).__name__: fields}
    return [_shape(each) for each in node] if isinstance(node, list) else repr(node)
