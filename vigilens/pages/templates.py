"""Renders pages from Jinja templates. Only this file builds the environment, so that every page is escaped alike.

Values are computed in Python; a template only shows them. Templates and style sheets are beside the code that uses
them, and are packaged in the wheel with it.
"""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_SHARED = Path(__file__).parent


def render(template: Path, **values: object) -> str:
    """Return a page, filled in from a template.

    Args:
        template: its file. It may extend and include files of its own folder and of this one (base.html, beside.html).
        values: the values that it shows. Everything is escaped, except `markupsafe.Markup`.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not given.
    """
    return _environment(template.parent).get_template(template.name).render(values)


@cache
def _environment(folder: Path) -> Environment:
    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader([folder, _SHARED]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
