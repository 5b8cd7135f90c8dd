"""Interpreters with the libraries of scripts."""

from __future__ import annotations

import pytest

from tests.scripting.interpreter import Interpreter


@pytest.fixture(scope="session")
def lua() -> Interpreter:
    """One for all tests that leave the settings of cjson alone."""
    return Interpreter()


@pytest.fixture
def own_lua() -> Interpreter:
    return Interpreter()
