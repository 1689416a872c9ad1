"""The three places of settings → one value, or all mistakes at once, each with its place and its fix.

The places are read here and not by pydantic-settings, because each mistake and `vigilens config` name the place that a
value came from, and because no message may repeat a value: it could be a secret.
"""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

from pydantic import SecretStr, ValidationError

from config.settings import Settings

DEFAULTS = Path(__file__).with_name("default.toml")
PREFIX = "VIGILENS_"
FILE_VARIABLE = PREFIX + "CONFIG"

# For a service called "vigilens", Kubernetes sets these variables in each pod, and VIGILENS_PORT=tcp://….
_FROM_KUBERNETES = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$")
_ADDRESSES_OF_KUBERNETES = ("tcp://", "udp://", "sctp://")
_KEY = re.compile(r"\b[a-z]+\.[a-z_]+\b")


class SettingsError(Exception):
    """Something in the settings is wrong; the message has one line for each mistake."""


@dataclass(frozen=True, slots=True)
class Value:
    """What one place says about one key: not checked yet."""

    value: Any
    place: str


@dataclass(frozen=True, slots=True)
class InForce:
    """The settings, and for each "section.key" the place that it came from."""

    settings: Settings
    places: dict[str, str]


def keys() -> dict[str, Any]:
    """All keys as "section.key", in the order of the models, with their types."""
    return {
        f"{section}.{key}": field.annotation
        for section, table in Settings.model_fields.items()
        for key, field in getattr(table.annotation, "model_fields", {}).items()
    }


def is_secret(key: str) -> bool:
    """Whether the value of "section.key" must never be shown."""
    return keys()[key] is SecretStr


def variable(key: str) -> str:
    """Name of the environment variable for "section.key"."""
    return PREFIX + key.replace(".", "__").upper()


def load(file: Path | None = None) -> Settings:
    """Settings in force: default.toml, over it the operator's file, over it the environment.

    Args:
        file: the operator's file; None: $VIGILENS_CONFIG, else ./vigilens.toml if there is one.

    Raises:
        SettingsError: one line for each mistake, naming the key and where it was set; no line holds a value.
    """
    return load_with_places(file).settings


def load_with_places(file: Path | None = None) -> InForce:
    """As `load`, and where each value came from."""
    file = find_file(file)
    values, mistakes = _in_file(DEFAULTS), []
    for layer in (_in_file(file) if file else {}, _in_environment()):
        mistakes += [_unknown(key, said) for key, said in layer.items() if key not in keys()]
        values |= {key: said for key, said in layer.items() if key in keys()}
    settings, wrong = _check(values)
    if settings is None or mistakes:
        raise SettingsError("\n".join([*mistakes, *wrong]))
    return InForce(settings, {key: values[key].place for key in keys()})


def find_file(given: Path | None) -> Path | None:
    """The operator's file: as given, else $VIGILENS_CONFIG, else ./vigilens.toml if there is one."""
    named_by = "--config"
    if given is None and os.environ.get(FILE_VARIABLE):
        given, named_by = Path(os.environ[FILE_VARIABLE]), FILE_VARIABLE
    if given is not None and not given.is_file():
        raise SettingsError(f"{given}: no such file (named by {named_by})")
    here = Path("vigilens.toml")
    return given or (here if here.is_file() else None)


def _in_file(file: Path) -> dict[str, Value]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None
    place = DEFAULTS.name if file == DEFAULTS else str(file)
    values: dict[str, Value] = {}
    for name, table in content.items():
        if isinstance(table, dict) and name in Settings.model_fields:
            values |= {f"{name}.{key}": Value(value, place) for key, value in table.items()}
        else:
            values |= {name: Value(table, place)}
    return values


def _in_environment() -> dict[str, Value]:
    names = {variable(key): key for key in keys()}
    return {
        names.get(name, name): Value(_as_list(value) if _is_list(names.get(name)) else value, name)
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIX) and name != FILE_VARIABLE
        if name in names or not _is_from_kubernetes(name, value)
    }


def _is_from_kubernetes(name: str, value: str) -> bool:
    """Whether Kubernetes makes variables like this one. Ask only about names that are no setting of ours."""
    is_address = name.endswith("_PORT") and value.startswith(_ADDRESSES_OF_KUBERNETES)
    return is_address or _FROM_KUBERNETES.search(name) is not None


def _is_list(key: str | None) -> bool:
    return key is not None and get_origin(keys()[key]) is tuple


def _as_list(text: str) -> Any:
    """A list from JSON, or from its parts between commas. Broken JSON stays text, which the model refuses."""
    if not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _unknown(key: str, said: Value) -> str:
    """A sentence about an unknown key or variable, with the nearest known one."""
    from_environment = key == said.place
    known = [variable(name) for name in keys()] if from_environment else list(keys())
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    fix = f"did you mean {nearest[0]}?" if nearest else "`vigilens config` lists all there are"
    return (
        f"{key} (in the environment): no such setting; {fix}"
        if from_environment
        else f"{key} (in {said.place}): no such key; {fix}"
    )


def _check(values: dict[str, Value]) -> tuple[Settings | None, list[str]]:
    """The settings, or all that is wrong with them, one line each.

    pydantic looks for contradictions only where each value is right by itself. To report all at once, wrong values go
    back to their defaults for a second look, which counts for contradictions between other keys only.
    """
    try:
        return _build(values), []
    except ValidationError as error:
        mistakes = list(_sentences(error, values))
    wrong = {key for key, _ in mistakes if key}
    if wrong:
        try:
            _build({**values, **{key: said for key, said in _in_file(DEFAULTS).items() if key in wrong}})
        except ValidationError as error:
            mistakes += [found for found in _sentences(error, values) if wrong.isdisjoint(_KEY.findall(found[1]))]
    return None, [sentence for _, sentence in mistakes]


def _build(values: dict[str, Value]) -> Settings:
    tables: dict[str, dict[str, Any]] = {section: {} for section in Settings.model_fields}
    for name, said in values.items():
        section, key = name.split(".")
        tables[section][key] = said.value
    return Settings.model_validate(tables)


def _sentences(error: ValidationError, values: dict[str, Value]) -> Iterator[tuple[str, str]]:
    """Each mistake as (key, sentence). Contradictions name several keys: theirs is empty."""
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        if len(found["loc"]) >= 2:  # noqa: PLR2004 (section and key, perhaps a place in a list)
            key = ".".join(str(part) for part in found["loc"][:2])
            yield key, f"{key} ({_said(values[key])}): {found['msg'][0].lower()}{found['msg'][1:]}"
            continue
        for sentence in found["msg"].removeprefix("Value error, ").splitlines():
            places = (f"{key} {_said(values[key])}" for key in dict.fromkeys(_KEY.findall(sentence)) if key in values)
            yield "", f"{sentence} ({'; '.join(places)})"


def _said(said: Value) -> str:
    return f"set by {said.place}" if said.place.startswith(PREFIX) else f"set in {said.place}"
