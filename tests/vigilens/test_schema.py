"""`vigilens schema`: the published schemas are those of the code, and the examples are valid."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from consumer.alerts import Alert
from consumer.event_body import EXAMPLES, Body
from consumer.records import BatchMetrics
from matcher.verdict import Verdict
from vigilens.cli import main

DOCS = Path(__file__).parents[2] / "docs"
MODELS = {"event": Body, "verdict": Verdict, "metrics": BatchMetrics, "alert": Alert}


@pytest.mark.parametrize("name", MODELS)
def test_the_printed_schema_is_the_one_in_the_docs_and_its_examples_are_valid(name):
    result = CliRunner().invoke(main, ["schema", name])
    assert result.exit_code == 0, result.output
    schema = json.loads(result.stdout)
    assert schema == json.loads((DOCS / f"{name}.schema.json").read_text()), (
        f"a published model changed: raise its version if readers may notice, then write the schema again with "
        f"`vigilens schema {name} > docs/{name}.schema.json`"
    )
    Draft202012Validator.check_schema(schema)
    assert schema["examples"]
    for example in schema["examples"]:
        Draft202012Validator(schema).validate(example)
        MODELS[name].model_validate(example)


def test_an_event_with_two_sources_or_none_is_not_valid():
    schema = json.loads((DOCS / "event.schema.json").read_text())
    for wrong in ({**EXAMPLES[0], **EXAMPLES[1]}, {"id": "x"}):
        assert not Draft202012Validator(schema).is_valid(wrong)


def test_an_unknown_schema_is_wrong_usage():
    assert CliRunner().invoke(main, ["schema", "campaign"]).exit_code == 2
