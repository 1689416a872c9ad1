"""`vigilens config`: prints the settings in force and where each comes from, with secrets hidden."""

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from config.load import InForce

HIDDEN = "********"


@click.command(short_help="Print the settings in use, and where each comes from.")
@click.option("--json", "as_json", is_flag=True, help='Print JSON: {section: {key: {"value": …, "from": …}}}.')
@click.option("--defaults", is_flag=True, help="Print default.toml instead: every key with its unit and reason.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, defaults: bool) -> None:
    """Print the settings in use as TOML. A comment after each says where it comes from.

    That is default.toml, your file, or the name of an environment variable. A secret is printed as ********, or as ""
    if it is empty.

    \b
    Example:
      vigilens config --defaults > vigilens.toml        then keep only the lines that you change
      VIGILENS_KAFKA__GROUP=trial vigilens config
    """
    from config.load import DEFAULTS, load_with_sources  # noqa: PLC0415 (pydantic is not needed for --help)

    if defaults:
        click.echo(DEFAULTS.read_text(encoding="utf-8"), nl=False)
        return
    file: Path | None = ctx.find_root().params["file"]
    in_force = load_with_sources(file)
    click.echo(_as_json(in_force) if as_json else as_toml(in_force))


def shown(in_force: "InForce") -> dict[str, dict[str, Any]]:
    """Return the values by section ("kafka", "encoders.words") and key, as plain types and with secrets hidden."""
    tables = in_force.settings.model_dump(
        mode="json"
    )  # a secret is already ********** here, of any length; "" if empty
    flat: dict[str, dict[str, Any]] = {}
    for section, table in tables.items():
        flat |= {f"{section}.{name}": its for name, its in table.items()} if section == "encoders" else {section: table}
    return {
        s: {key: HIDDEN if _is_secret(s, key) and value else value for key, value in table.items()}
        for s, table in flat.items()
    }


def _source(in_force: "InForce", section: str, key: str) -> str:
    """Return where a value comes from; a key of an encoder that is set nowhere has its default."""
    return in_force.sources.get(f"{section}.{key}", "default.toml")


def as_toml(in_force: "InForce") -> str:
    """Return the settings as a TOML document. Reading it gives the same values again, except for the secrets."""
    lines = []
    for section, table in shown(in_force).items():
        lines += ["", f"[{section}]"]
        lines += [f"{key} = {toml(value)}  # {_source(in_force, section, key)}" for key, value in table.items()]
    return "\n".join(lines[1:])


def _as_json(in_force: "InForce") -> str:
    tables = {
        section: {key: {"value": v, "from": _source(in_force, section, key)} for key, v in table.items()}
        for section, table in shown(in_force).items()
    }
    return json.dumps(tables, indent=2, ensure_ascii=False)


def _is_secret(section: str, key: str) -> bool:
    from config.load import is_secret  # noqa: PLC0415

    return is_secret(f"{section}.{key}")


def toml(value: Any) -> str:
    """Return a value as TOML. JSON writes strings, numbers and booleans the same way, except for DEL.

    TOML has no null: a key without a value is left out, which means the same.
    """
    if isinstance(value, dict):
        pairs = (f"{toml(key)} = {toml(each)}" for key, each in value.items() if each is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
