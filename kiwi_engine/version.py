"""The version of this program, for every place that states it (pure)."""

from typing import Final

VERSION: Final = "0.1.0"
