"""docker-compose.yml and Dockerfile, checked as far as a parser can: no container is started here."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from config.settings import Settings

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
# A tag that names a version: "v2.6.20", "4.3.0", "3.11.14-slim-bookworm"; neither "latest" nor "3".
PINNED = re.compile(r"^[^:@]+:v?\d+\.\d+\.\d+[\w.-]*$")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return YAML(typ="safe").load(COMPOSE)


def test_the_compose_file_obeys_the_compose_specification():
    program = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_variable_for_vigilens_is_a_real_setting(compose):
    given = {name for service in compose["services"].values() for name in service.get("environment", {})}
    given |= set(re.findall(r"VIGILENS_\w+", DOCKERFILE + COMPOSE.read_text()))
    ours = {name for name in given if name.startswith("VIGILENS_")}
    assert ours
    for name in ours:
        section, _, key = name.removeprefix("VIGILENS_").lower().partition("__")
        assert key in Settings.model_fields[section].annotation.model_fields, name


def test_all_images_are_pinned_to_a_version(compose):
    images = [service["image"] for service in compose["services"].values() if "build" not in service]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(images) >= 5
    assert [name for name in images if not PINNED.match(name)] == []


def test_no_port_is_published_beyond_loopback(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not str(port).startswith("127.0.0.1:")] == []


def test_no_password_is_written_into_the_compose_file(compose):
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET", name):
                assert "${MILVUS_PASSWORD:?" in value, name


def test_what_a_service_waits_for_can_come_true(compose):
    services = compose["services"]
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            assert wait["condition"] != "service_healthy" or "healthcheck" in services[name]
            assert wait["condition"] != "service_completed_successfully" or "restart" not in services[name]


def test_what_compose_mounts_from_this_folder_exists_and_is_read_only(compose):
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", [])]
    here = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert here
    assert [path for path in here if not (ROOT / path).is_file()] == []
    assert [mount for mount in mounts if mount.startswith("./") and not mount.endswith(":ro")] == []


def test_the_example_of_a_mount_is_read_only_and_its_folder_one_of_the_roots():
    example = YAML(typ="safe").load(COMPOSE.read_text().replace("#! ", ""))["services"]["vigilens"]
    shown = re.search(r"```yaml\n(.+?)```", OPERATIONS, re.DOTALL)
    assert shown
    for service in (example, YAML(typ="safe").load(shown[1])["services"]["vigilens"]):
        *_, mount = service["volumes"]
        assert mount.endswith(f":{service['environment']['VIGILENS_IMAGES__ROOTS']}:ro")


@pytest.mark.parametrize("place", ["docker-compose.yml", "docs/operations.md", "Dockerfile"])
def test_who_mounts_pictures_is_told_the_user_that_must_be_able_to_read_them(place):
    user = re.search(r"useradd .*--uid (\d+)", DOCKERFILE)
    assert user
    prose = [line for line in (ROOT / place).read_text().splitlines() if "useradd" not in line]
    assert f"uid {user[1]}" in "\n".join(prose)


def test_the_version_that_the_inline_config_needs_is_told(compose):
    assert any("content" in each for each in compose["configs"].values())
    assert "Docker Compose 2.23.1 or newer" in COMPOSE.read_text()
    assert "Docker Compose 2.23.1 or\nnewer" in OPERATIONS


def test_each_source_that_the_dockerfile_copies_exists_and_reaches_docker():
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    sources = [source for line in lines for source in line.split()[:-1]]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert set(sources) == sent


def test_the_image_holds_every_package_of_the_project():
    packages = re.search(r"^packages = \[(.+)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages
    for name in re.findall(r'"(\w+)"', packages[1]):
        assert f"COPY {name} {name}\n" in DOCKERFILE


def test_the_image_runs_without_root_and_is_asked_whether_it_lives():
    last = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert "\nUSER vigilens\n" in last
    assert "/live" in last.split("HEALTHCHECK")[1].split("\n\n")[0]
