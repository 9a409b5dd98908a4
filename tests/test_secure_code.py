"""What ruff's security rules do not see: files of others are read as data, and pages hold no markup of theirs."""

import ast
import re
from collections.abc import Iterator

import pytest
from project import REPOSITORY

CODE = [
    path for folder in ("mfaranet", "workflow", "benchmarks") for path in sorted((REPOSITORY / folder).rglob("*.py"))
]
# Each of them runs what a file says, or writes where an archive says.
REFUSED = re.compile(
    r"(torch\.(export|jit|hub)\.load[^()]*\([^()]*\)$|torch\.(package|serialization\.add_safe_globals)"
    r"|(np|numpy)\.(load\(.*allow_pickle|lib\.format\.read_array)|pd\.read_pickle|(joblib|dill|cloudpickle|shelve)\."
    r"|[\w.]+\.(extractall|unpack_archive)\()"
)
TORCH = re.compile(r"torch\.load\(")
# It opens what an export wrote just before; docs/security.md says that such a file is code.
EXPORTED = {"mfaranet/deployment/sessions.py": ["torch.export.load(path)"]}


def calls(text: str) -> Iterator[str]:
    """Each call of a module, in one form, with the name by which it was imported written out."""
    tree = ast.parse(text)
    full = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            word, rest = re.fullmatch(r"(\w*)(.*)", ast.unparse(node), re.S).groups()  # type: ignore[union-attr]
            yield full.get(word, word) + rest


def faults(text: str) -> list[str]:
    """Calls that could run what is in a file."""
    return [
        call for call in calls(text) if REFUSED.match(call) or (TORCH.match(call) and "weights_only=True" not in call)
    ]


def test_no_file_is_run() -> None:
    found = {str(path.relative_to(REPOSITORY)): faults(path.read_text()) for path in CODE}
    assert {name: calls for name, calls in found.items() if calls} == EXPORTED


@pytest.mark.parametrize(
    "bad",
    [
        "torch.load(path)",
        "from torch import load as l\nl(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "from torch.hub import load_state_dict_from_url\nload_state_dict_from_url(url)",
        "pd.read_pickle(path)",
        "tar.extractall(folder)",
        "import joblib\njoblib.load(path)",
    ],
)
def test_the_rule_sees(bad: str) -> None:
    assert len(faults(bad)) == 1


def test_pages_take_as_markup_only_what_the_code_made() -> None:
    """In templates ``safe`` and ``script`` stand for files of packages and of this project."""
    templates = sorted((REPOSITORY / "mfaranet/report/templates").glob("*.j2"))
    marked = {
        found for path in templates for found in re.findall(r"\{\{ *([^{}]*\| *safe[^{}]*?) *\}\}", path.read_text())
    }
    assert marked == {'grid["css"] | safe'}
    assert "autoescape false" not in "".join(path.read_text() for path in templates)
