import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from embedding.image import Reason
from matcher.verdict import SCHEMA_ID, SCHEMA_VERSION, Verdict, example, json_schema

DOCS = Path(__file__).parents[2] / "docs"

EXAMPLE = json.loads((DOCS / "verdicts.md").read_text().partition("```json\n")[2].partition("```")[0])


def test_the_published_schema_equals_the_models():
    published = json.loads((DOCS / "verdict.schema.json").read_text())
    assert published == json_schema(), (
        "the verdict's model changed: raise SCHEMA_VERSION if consumers can notice, then write the schema again with "
        "`vigilens schema verdict > docs/verdict.schema.json`"
    )


def test_the_version_is_in_the_schemas_id_and_in_each_verdict():
    assert SCHEMA_VERSION in SCHEMA_ID
    assert json_schema()["$id"] == SCHEMA_ID
    assert json_schema()["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def test_the_example_in_the_docs_is_a_valid_verdict():
    assert json.loads(Verdict.model_validate(EXAMPLE).model_dump_json()) == EXAMPLE
    assert json_schema()["examples"] == [example()] == [EXAMPLE]


@pytest.mark.parametrize(
    "change",
    [{"decision": "maybe"}, {"reason": "tired"}, {"extra": 1}, {"image_id": None}, {"schema_version": "1.1"}],
    ids=str,
)
def test_values_and_fields_outside_the_schema_are_refused(change):
    with pytest.raises(ValidationError):
        Verdict.model_validate(EXAMPLE | change)


def test_every_reason_is_in_the_docs():
    text = (DOCS / "verdicts.md").read_text()
    assert [reason.value for reason in Reason if f"| `{reason.value}` |" not in text] == []
