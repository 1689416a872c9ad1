"""The three sources of settings → one value, or all mistakes at once, each with its source and its fix.

They are read here and not by pydantic-settings, because each mistake and `vigilens config` name the source of a value,
and because no message may repeat a value: it could be a secret.
"""

import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import SecretStr, ValidationError

from config.settings import BUILT_IN, NAMES_OF_ENCODERS, Encoder, Settings
from config.sources import DEFAULTS, FILE_VARIABLE, PREFIX, SettingsError, content, find_file, variable

__all__ = ["DEFAULTS", "FILE_VARIABLE", "PREFIX", "InForce", "SettingsError", "load", "load_with_sources", "variable"]

# For a service called "vigilens", Kubernetes sets NAME_SERVICE_HOST, NAME_PORT=tcp://… and the like in each pod.
_FROM_KUBERNETES = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$")
_ADDRESSES_OF_KUBERNETES = ("tcp://", "udp://", "sctp://")
_KEY = re.compile(r"\b[a-z]+(?:\.[A-Za-z0-9_-]+){1,2}\b")
_ENCODERS = "encoders"
_ENCODER_VARIABLE = re.compile(PREFIX + r"ENCODERS__([A-Z0-9_]+?)__([A-Z_]+)")
_FORMER_ENCODER = (
    "[encoder] has become one table for each encoder, [encoders.NAME] with kind, model, checkpoint, device and "
    "precision, and sets.default_encoder: `vigilens config --defaults` explains them"
)


@dataclass(frozen=True, slots=True)
class Value:
    """A value for one key from one source, not checked yet.

    Attributes:
        source: a file's name, or the name of an environment variable.
    """

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class InForce:
    """The settings, and the source of each "section.key"."""

    settings: Settings
    sources: dict[str, str]


def keys() -> dict[str, Any]:
    """All keys as "section.key", in the order of the models, with their types; for encoders see `key_type`."""
    return {
        f"{section}.{key}": field.annotation
        for section, table in Settings.model_fields.items()
        for key, field in getattr(table.annotation, "model_fields", {}).items()
    }


def key_type(key: str) -> Any:
    """The type of "section.key" or "encoders.NAME.key"; None: there is no such key."""
    section, _, rest = key.partition(".")
    if section == _ENCODERS and rest.count(".") == 1:
        field = Encoder.model_fields.get(rest.split(".")[1])
        return field.annotation if field else None
    return keys().get(key)


def is_secret(key: str) -> bool:
    """Whether the value of a key must never be shown."""
    return key_type(key) is SecretStr


def load(file: Path | None = None) -> Settings:
    """The settings in force: default.toml, overridden by the operator's file, overridden by the environment.

    Args:
        file: the operator's file; None: $VIGILENS_CONFIG, else ./vigilens.toml if there is one.

    Raises:
        SettingsError: one line for each mistake, naming the key and where it was set; no line holds a value.
    """
    return load_with_sources(file).settings


def load_with_sources(file: Path | None = None) -> InForce:
    """Like `load`, with the source of each value."""
    file = find_file(file)
    values, mistakes = _in_file(DEFAULTS), []
    for layer in (_in_file(file) if file else {}, _in_environment()):
        unknown = {key: given for key, given in layer.items() if key_type(key) is None}
        mistakes += list(dict.fromkeys(_unknown(key, given) for key, given in unknown.items()))
        values |= {key: given for key, given in layer.items() if key not in unknown}
    settings, wrong = _check(values)
    if settings is None or mistakes:
        raise SettingsError("\n".join([*mistakes, *wrong]))
    return InForce(settings, {key: given.source for key, given in values.items()})


def _in_file(file: Path) -> dict[str, Value]:
    source = DEFAULTS.name if file == DEFAULTS else str(file)
    values: dict[str, Value] = {}
    for name, table in content(file).items():
        if name == _ENCODERS and isinstance(table, dict):
            for encoder, its in table.items():
                if its == {} and encoder in BUILT_IN:
                    continue
                pairs = its.items() if isinstance(its, dict) and its else [("", its)]
                values |= {f"{name}.{encoder}.{key}".rstrip("."): Value(value, source) for key, value in pairs}
        elif isinstance(table, dict) and name in Settings.model_fields:
            values |= {f"{name}.{key}": Value(value, source) for key, value in table.items()}
        else:
            values |= {name: Value(table, source)}
    return values


def _in_environment() -> dict[str, Value]:
    names = {variable(key): key for key in keys()}
    for name in os.environ:
        if (found := _ENCODER_VARIABLE.fullmatch(name)) and key_type(key := _encoder_key(*found.groups())):
            names[name] = key
    return {
        names.get(name, name): Value(_parsed(value, names.get(name)), name)
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIX) and name != FILE_VARIABLE
        if name in names or not _is_from_kubernetes(name, value)
    }


def _encoder_key(name: str, key: str) -> str:
    return f"{_ENCODERS}.{name}.{key}".lower()


def _is_from_kubernetes(name: str, value: str) -> bool:
    """Whether Kubernetes makes variables like this one. Ask only about names that are no setting of ours."""
    is_address = name.endswith("_PORT") and value.startswith(_ADDRESSES_OF_KUBERNETES)
    return is_address or _FROM_KUBERNETES.search(name) is not None


def _parsed(text: str, key: str | None) -> Any:
    """The text of a variable, as a list or a table if the key needs one."""
    needed = None if key is None else get_origin(key_type(key))
    return _as_list(text, is_table=needed is dict) if needed in {tuple, dict} else text


def _as_list(text: str, *, is_table: bool) -> Any:
    """A list or table from JSON, or a list from text separated by commas. The model refuses JSON that stays text."""
    if not text.strip() and is_table:
        return {}
    if not text.startswith(("[", "{")):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _unknown(key: str, given: Value) -> str:
    """A sentence about an unknown key or variable, with the most similar known one."""
    from_environment = key == given.source
    where = f"{key} (in {'the environment' if from_environment else given.source})"
    if key in {"encoder", f"{PREFIX}ENCODER"} or key.startswith(f"{PREFIX}ENCODER__"):
        return f"{where}: {_FORMER_ENCODER}"
    if key.upper().startswith(f"{PREFIX}ENCODERS") or key.partition(".")[0] == _ENCODERS:
        return f"{where}: {_unknown_encoder(key, given.value)}"
    known = [variable(name) for name in keys()] if from_environment else list(keys())
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    fix = f"did you mean {nearest[0]}?" if nearest else "`vigilens config` lists all of them"
    return f"{where}: no such {'setting' if from_environment else 'key'}; {fix}"


def _unknown_encoder(key: str, value: Any) -> str:
    """What is wrong with a key or variable that looks like one of an encoder."""
    fields = list(Encoder.model_fields)
    if key.startswith(PREFIX):
        return f"no such setting; it is {variable('encoders.NAME.KEY')} with KEY one of {_listed(fields).upper()}"
    path = key.split(".")
    if len(path) > 3:  # noqa: PLR2004 (encoders, name, key)
        return f"{'.'.join(path[1:-1])} cannot name an encoder: take {NAMES_OF_ENCODERS}"
    if len(path) == 3:  # noqa: PLR2004
        nearest = difflib.get_close_matches(path[2], fields, n=1, cutoff=0.6)
        return f"no such key; {f'did you mean {nearest[0]}?' if nearest else f'the keys are {_listed(fields)}'}"
    if value == {}:
        return f"the table is empty; set kind to one of {_kinds()}"
    return "must be a table: the keys of an encoder are in [encoders.NAME]"


def _kinds() -> str:
    return _listed(get_args(Encoder.model_fields["kind"].annotation))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _check(values: dict[str, Value]) -> tuple[Settings | None, list[str]]:
    """The settings, or all mistakes in them, one line each.

    pydantic checks for contradictions only if each single value is valid. To report everything at once, invalid values
    are replaced by their defaults for a second check, from which only contradictions between other keys are reported.
    """
    try:
        return _build(values), []
    except ValidationError as error:
        mistakes = list(_sentences(error, values))
    wrong = {key for key, _ in mistakes if key}
    if wrong:
        try:
            defaults = _in_file(DEFAULTS)
            right = {key: given for key, given in values.items() if key not in wrong}
            _build({**right, **{key: default for key, default in defaults.items() if key in wrong}})
        except ValidationError as error:
            mistakes += [found for found in _sentences(error, values) if wrong.isdisjoint(_KEY.findall(found[1]))]
    return None, [sentence for _, sentence in mistakes]


def _build(values: dict[str, Value]) -> Settings:
    tables: dict[str, dict[str, Any]] = {section: {} for section in Settings.model_fields}
    for name, given in values.items():
        *path, key = name.split(".")
        table = tables[path[0]] if len(path) == 1 else tables[path[0]].setdefault(path[1], {})
        table[key] = given.value
    return Settings.model_validate(tables)


def _sentences(error: ValidationError, values: dict[str, Value]) -> Iterator[tuple[str, str]]:
    """Each mistake as (key, sentence). The key is empty for contradictions, which name several keys."""
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        length = 3 if found["loc"][:1] == (_ENCODERS,) else 2
        if len(found["loc"]) >= length:  # section and key, perhaps a position in a list
            key = ".".join(str(part) for part in found["loc"][:length])
            if key not in values:  # a table without it
                beside = next(other for other in values if other.startswith(key.removesuffix("kind")))
                what = f"is missing beside {beside} ({_set_by(values[beside])}): set it to one of {_kinds()}"
                yield key, f"{key}: {what}"
                continue
            what = "should be a table; JSON in a variable" if found["type"] == "dict_type" else found["msg"]
            yield key, f"{key} ({_set_by(values[key])}): {what[0].lower()}{what[1:]}"
            continue
        for sentence in found["msg"].removeprefix("Value error, ").splitlines():
            named = [key for key in values if sentence.startswith(f"{key}:")] or _KEY.findall(sentence)
            sources = (f"{key} {_set_by(values[key])}" for key in dict.fromkeys(named) if key in values)
            yield "", f"{sentence} ({'; '.join(sources)})"


def _set_by(given: Value) -> str:
    return f"set by {given.source}" if given.source.startswith(PREFIX) else f"set in {given.source}"
