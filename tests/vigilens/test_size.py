"""`vigilens size`: the arithmetic, and that docs/sizing.md prints what the command prints."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from matcher.depth import depth
from vigilens import measure_size
from vigilens.cli import main
from vigilens.commands.size import grid_lines
from vigilens.sizing import Load, Plan, overview, plan
from vigilens.sizing_costs import Costs

DOCS = (Path(__file__).parents[2] / "docs" / "sizing.md").read_text(encoding="utf-8")
COSTS = Costs()


def size(*words: str) -> Result:
    return CliRunner().invoke(main, ["size", *words])


def amounts(made: Plan) -> dict[str, float]:
    return {f"{each.part} {each.what}": each.amount for each in made.needs}


def test_a_plan_is_the_product_of_what_one_takes():
    image, reference = COSTS.encoders["words"], COSTS.references["words"]
    made = plan(Load(images=1000, references=2000, index="exact"), COSTS)
    found = amounts(made)
    assert found["service time per image"] == pytest.approx(image.total + COSTS.kafka_ms)
    assert found["service cores"] == 26  # 1,000 x 12.6 ms / 0.5
    assert found["milvus rows"] == 2000 * reference.rows
    milvus = image.queries * (4 * COSTS.search_ms["exact"] + COSTS.query_ms)
    assert found["milvus cores"] == -(-1000 * milvus // 500)
    assert found["kafka partitions"] == 52
    assert found["network into brokers"] == pytest.approx(1000 * (86_000 + 900) * 3 * 8 / 1e9)
    assert found["kafka disk"] == pytest.approx(1000 * (86_000 + 900) * 86_400 * 3 / 1e9)
    busier = amounts(plan(Load(images=1000, references=2000, index="exact", use=1.0), COSTS))
    assert busier["service cores"] == 13


def test_features_that_are_not_kept_are_read():
    kept = int(COSTS.keep_bytes / COSTS.references["words"].kept)
    image = COSTS.encoders["words"]
    for references, share in ((kept, 0.0), (2 * kept, 0.5), (4 * kept, 0.75)):
        more = amounts(plan(Load(10, references), COSTS))["service time per image"] - image.total - COSTS.kafka_ms
        candidates = depth(image.candidates, references)
        deeper = (candidates - image.candidates) * COSTS.deeper_ms
        assert more == pytest.approx(share * candidates * COSTS.read_ms + deeper, abs=0.01)


def test_a_file_is_enough_for_little_and_hashes_are_searched_in_memory():
    assert plan(Load(10, 2000), COSTS).lite
    assert not plan(Load(1000, 2000), COSTS).lite
    assert not plan(Load(10, 2000, index="ivf_flat"), COSTS).lite
    few, many = (plan(Load(100, references, "pdq"), COSTS) for references in (10_000, 10_000_000))
    assert few.milvus_cores == many.milvus_cores == 0
    assert amounts(many)["service time per image"] - amounts(few)["service time per image"] == pytest.approx(
        16, abs=0.1
    )


@pytest.mark.parametrize("encoder", COSTS.encoders)
def test_more_never_needs_less(encoder: str):
    def sizes(made: Plan) -> tuple[float, ...]:
        found = amounts(made)
        return (
            made.service_cores,
            made.processes,
            found["milvus disk"] * (2 if made.lite else 1),
            found["kafka disk"],
            found["kafka partitions"],
        )

    for load in (each.load for each in overview(encoder, COSTS)):
        now = sizes(plan(load, COSTS))
        for larger in (replace(load, images=2 * load.images), replace(load, references=2 * load.references)):
            assert all(a <= b for a, b in zip(now, sizes(plan(larger, COSTS)), strict=True))
        assert all(each.amount >= 0 for each in plan(load, COSTS).needs)
        assert {each.basis for each in plan(replace(load, images=1e6, references=10**9), COSTS).needs} >= {"reckoned"}


def block(command: str) -> str:
    """What docs/sizing.md shows below a command."""
    return re.search(rf"<!-- {re.escape(command)} -->\n(```\n)?(.*?)\n(?(1)```|\n)", DOCS, re.DOTALL)[2]


@pytest.mark.parametrize("command", re.findall(r"<!-- vigilens (size .*) -->", DOCS))
def test_the_page_shows_what_the_command_prints(command: str):
    assert block(f"vigilens {command}") == size(*command.split()[1:]).stdout.rstrip("\n")


def test_the_page_has_the_figures_of_the_arithmetic():
    for name, each in COSTS.encoders.items():
        cells = (each.decode, each.encode, each.search, each.check, each.queries, each.candidates or "-")
        assert f"| {name} | {' | '.join(f'{cell:g}' if cell != '-' else cell for cell in cells)} |" in DOCS
    for figure in (COSTS.read_ms, COSTS.query_ms, COSTS.lite_ms, *COSTS.search_ms.values(), COSTS.kafka_ms):
        assert f"| {figure:g} ms |" in DOCS


def test_figures_come_from_a_file_of_an_earlier_run(tmp_path: Path):
    printed = json.loads(size("--no-measure", "--json", "--references", "500").stdout)
    printed["costs"]["encoders"]["mine"] = {**printed["costs"]["encoders"]["pdq"], "decode": 40.0}
    printed["costs"]["references"]["mine"] = printed["costs"]["references"]["words"]
    file = tmp_path / "here.json"
    file.write_text(json.dumps(printed))
    result = size("--constants", str(file), "--encoder", "mine", "--json")
    assert json.loads(result.stdout)["needs"][0]["because"].startswith("decode 40,")
    file.write_text('{"costs": {"cores": 3}}')
    assert "does not hold figures" in size("--constants", str(file)).stderr
    assert "there are no figures of mine" in size("--no-measure", "--encoder", "mine").stderr


def test_this_machine_is_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measure_size, "KNOWN", 2)
    monkeypatch.setattr(measure_size, "NEW", 2)
    result = size("--encoder", "pdq", "--json")
    image = json.loads(result.stdout)["costs"]["encoders"]["pdq"]
    assert 0 < image["decode"] < 1000
    assert image != COSTS.encoders["pdq"]
    assert grid_lines(overview("pdq", COSTS))
