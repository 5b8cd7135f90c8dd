"""The rules of CONTRIBUTING.md that neither ruff nor mypy can hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
SOURCE_FOLDERS = ("kiwi_engine", "scripts", "benchmarks", "tests")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".sh", ".cfg", ".yml", ""}
OUTSIDE = {".git", ".venv", "kiwi-data", "build", "dist", "__pycache__", "results"}

PACKAGE = sorted((ROOT / "kiwi_engine").rglob("*.py"))
SOURCES = sorted(path for folder in SOURCE_FOLDERS for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def repository_texts() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
        if hidden or OUTSIDE & set(parts) or path.name.startswith("."):
            continue
        if path.is_file() and path.suffix in TEXT_SUFFIXES:
            yield path


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None, "what `ast.parse` made has an end"
    return function.end_lineno - function.lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES_MAX
    long = {
        function.name: lines_of(function)
        for function in functions(ast.parse(text))
        if lines_of(function) > FUNCTION_LINES_MAX
    }
    assert long == {}


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_a_module_names_its_kind(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, "a module says what it is for"
    if path.name != "__init__.py":
        first_paragraph = docstring.split("\n\n")[0]
        assert re.search(r"\((pure|shell|glue)\b", first_paragraph), first_paragraph


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_names_are_words(path: Path) -> None:
    short = {"seg", "segs", "rec", "recs", "ptr", "ptrs", "cfg", "ckpt"}
    found = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in [getattr(node, "id", None) or getattr(node, "arg", None) or ""]
        if isinstance(name, str) and short & set(name.lower().split("_"))
    }
    assert found == set()


def forbidden() -> list[str]:
    """Patterns of what must not be in the repository; put together so that none is in here."""
    return [
        "/" + "work/",
        r"\.\./" + "shared",
        "py" + r"pi\.org",
        "python" + "hosted",
        "TO" + "DO",
        "FIX" + "ME",
        "X" + "XX",
        r"\bissue " + r"#?\d",
    ]


@pytest.mark.parametrize("path", list(repository_texts()), ids=name_of)
def test_the_repository_stands_alone(path: Path) -> None:
    text = path.read_text(errors="replace")
    assert [match[0] for pattern in forbidden() for match in re.finditer(pattern, text)] == []


def test_the_checks_see_the_repository() -> None:
    names = {name_of(path) for path in repository_texts()}
    assert {"README.md", "pyproject.toml", ".ci/run", "kiwi_engine/errors.py"} <= names
    assert len(SOURCES) > 50
