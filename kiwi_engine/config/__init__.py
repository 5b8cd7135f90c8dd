"""Settings: one typed row per key, read from a file, the environment and flags (glue)."""

from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.load import load_settings
from kiwi_engine.config.settings import Settings

__all__ = ["LiveConfig", "Settings", "load_settings"]
