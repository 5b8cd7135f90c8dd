"""Fixtures of the sweeps."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of recoveries are meant here: their log lines would hide the rest."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
