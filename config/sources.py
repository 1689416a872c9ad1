"""Where settings come from. It imports the standard library only, so that a value can be looked up without a wait."""

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DEFAULTS = Path(__file__).with_name("default.toml")
PREFIX = "VIGILENS_"
FILE_VARIABLE = PREFIX + "CONFIG"


class SettingsError(Exception):
    """Something in the settings is wrong; the message has one line for each mistake."""


def variable(key: str) -> str:
    """Name of the environment variable for "section.key"."""
    return PREFIX + key.replace(".", "__").upper()


def find_file(given: Path | None) -> Path | None:
    """The operator's file: the given one, else $VIGILENS_CONFIG, else ./vigilens.toml if there is one."""
    named_by = "--config"
    if given is None and os.environ.get(FILE_VARIABLE):
        given, named_by = Path(os.environ[FILE_VARIABLE]), FILE_VARIABLE
    if given is not None and not given.is_file():
        raise SettingsError(f"{given}: no such file (named by {named_by})")
    here = Path("vigilens.toml")
    return given or (here if here.is_file() else None)


def content(file: Path) -> dict[str, Any]:
    """The content of a settings file."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def glance(section: str, keys: Iterable[str], file: Path | None = None) -> dict[str, Any]:
    """Some values of a section, as they are written: not checked, and numbers in the environment are texts.

    Raises:
        SettingsError: a file cannot be read.
    """
    found: dict[str, Any] = {}
    wanted = tuple(keys)
    given = find_file(file)
    for layer in [DEFAULTS, *([given] if given else [])]:
        table = content(layer).get(section)
        found |= {key: table[key] for key in wanted if key in table} if isinstance(table, dict) else {}
    return found | {key: os.environ[name] for key in wanted if (name := variable(f"{section}.{key}")) in os.environ}
