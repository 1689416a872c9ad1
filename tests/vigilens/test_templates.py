"""The environment of all page templates: escaping, mistakes in templates, and the files in the wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from html_page import Page
from jinja2 import UndefinedError
from markupsafe import Markup

from vigilens.pages.templates import render

ROOT = Path(__file__).parents[2]
NASTY = """'"><script>alert(1)</script>"""


@pytest.fixture
def template(tmp_path):
    """Writes a template and returns its file."""

    def write(body):
        file = tmp_path / "trial.html"
        file.write_text('{% extends "base.html" %}{% block title %}trial{% endblock %}{% block body %}' + body)
        with file.open("a") as end:
            end.write("{% endblock %}")
        return file

    return write


def test_values_are_escaped_as_text_and_in_attributes_and_markup_is_not(template):
    file = template('<p title="{{ said }}">{{ said }}</p>{{ drawn }}')
    page = Page(render(file, said=NASTY, drawn=Markup('<svg class="ours"></svg>')))
    assert page.of("script") == []
    assert page.of("p") == [{"title": NASTY}]
    assert NASTY in page.words
    assert page.of("svg", "ours")


def test_a_value_that_is_not_given_is_an_error(template):
    with pytest.raises(UndefinedError, match="missing"):
        render(template("<p>{{ missing }}</p>"), given=1)


def test_macros_escape_their_arguments(template):
    file = template('{% from "beside.html" import beside %}{{ beside("<svg>", left, "b") }}')
    page = Page(render(file, left=NASTY))
    assert page.of("script") == page.of("svg") == []
    assert {NASTY, "<svg>"} <= {words.strip() for words in page.words}


def test_the_wheel_has_every_template_and_style_sheet(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    folders = (ROOT / "demo", ROOT / "vigilens")
    files = {str(file.relative_to(ROOT)) for at in folders for end in ("html", "css") for file in at.rglob(f"*.{end}")}
    assert {"demo/report.html", "vigilens/pages/base.html", "vigilens/pages/base.css"} <= files <= packed
