"""ops/kubernetes, built by kustomize: against the published schemas, and against what the service needs."""

import copy
import json
import math
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from ruamel.yaml import YAML
from run import missing, needs_program

from config.load import load
from vigilens.sizing import GB, Load, plan
from vigilens.sizing_costs import Costs

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/kubernetes.md").read_text()
OPS = ROOT / "ops/kubernetes"
PUBLISHED = ROOT / ".cache/kubernetes"
RELEASES = ("1.31", "1.37")  # of Kubernetes: the oldest with all fields that are used, and the newest that is published
DEFINED = {  # kinds that an operator brings, and the files that define them
    "ScaledObject": "keda.sh_scaledobjects.yaml",
    "PodMonitor": "monitoring.coreos.com_podmonitors.yaml",
    "PrometheusRule": "monitoring.coreos.com_prometheusrules.yaml",
}
UNITS = {"": 1, "m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@pytest.fixture(scope="module")
def built():
    """The objects of the example, which uses the base and all components."""
    needs_program("kubectl")
    done = subprocess.run(["kubectl", "kustomize", OPS / "example"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(YAML(typ="safe").load_all(done.stdout))


def the(built, kind, name="vigilens"):
    (found,) = (each for each in built if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pods(built):
    kinds = ("StatefulSet", "Deployment")
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in built if each["kind"] in kinds}


def bytes_of(quantity):
    number, unit = re.fullmatch(r"([\d.]+)(\D*)", quantity).groups()
    return float(number) * UNITS[unit]


@cache
def validator(kind, version, release):
    """For a kind of Kubernetes itself; unknown keys are mistakes."""
    folder = PUBLISHED / f"kubernetes_validate/kubernetes-json-schema/v{release}.0-local-strict"
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", version)
    definitions = json.loads((folder / "_definitions.json").read_text())
    registry = Registry().with_resource("/api/_definitions.json", Resource(definitions, DRAFT202012))
    return Draft202012Validator(json.loads((folder / f"{kind.lower()}-{group}.json").read_text()), registry=registry)


def closed(schema):
    """The schema of a custom resource, in which unknown keys are mistakes; the cluster would drop them silently."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


@cache
def defined(kind, version):
    definition = YAML(typ="safe").load((PUBLISHED / DEFINED[kind]).read_text())
    name = version.rpartition("/")[2]
    (schema,) = (each["schema"] for each in definition["spec"]["versions"] if each["name"] == name)
    made = closed(schema["openAPIV3Schema"])
    made["properties"]["metadata"] = {"type": "object"}
    return Draft202012Validator(made)


def mistakes(thing, release):
    kind, version = thing["kind"], thing["apiVersion"]
    if not (PUBLISHED / "kubernetes_validate").is_dir():
        missing("the schemas of Kubernetes are not there: make test")
    if kind in DEFINED and not (PUBLISHED / DEFINED[kind]).exists():
        needs_program("go")  # it comes with it
        missing(f"the definition of {kind} is not there: make test")
    checker = defined(kind, version) if kind in DEFINED else validator(kind, version, release)
    return [
        f"{kind} {thing['metadata']['name']} {each.json_path}: {each.message}" for each in checker.iter_errors(thing)
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_every_object_obeys_the_published_schemas(built, release):
    assert [mistake for each in built for mistake in mistakes(each, release)] == []


def test_the_alert_rules_become_an_object_of_the_prometheus_operator_by_the_line_in_the_docs():
    shown = re.search(r"^    (\(printf .+?) \| kubectl apply -f -", DOCS, re.MULTILINE | re.DOTALL)
    assert shown
    done = subprocess.run(["sh", "-c", shown[1]], cwd=ROOT, capture_output=True, text=True, check=True)
    rule = YAML(typ="safe").load(done.stdout)
    assert len(rule["spec"]["groups"]) > 1
    assert mistakes(rule, RELEASES[-1]) == []


def test_a_key_that_is_written_wrong_is_found_in_every_kind(built):
    for each in built:
        broken = copy.deepcopy(each)
        broken.get("spec", broken)["replcas"] = 1
        assert mistakes(broken, RELEASES[-1]), each["kind"]


def test_the_settings_in_the_config_map_are_valid_and_the_probes_ask_their_port(built, tmp_path):
    (settings,) = (each["data"]["vigilens.toml"] for each in built if each["kind"] == "ConfigMap")
    file = tmp_path / "vigilens.toml"
    file.write_text(settings)
    (container,) = the(built, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    value = load(file)
    assert [port["containerPort"] for port in container["ports"]] == [value.http.port]
    assert value.http.host == "0.0.0.0"  # noqa: S104 (inside a pod, behind a NetworkPolicy)
    for name, page in (("startupProbe", "/live"), ("livenessProbe", "/live"), ("readinessProbe", "/ready")):
        assert container[name]["httpGet"] == {"path": page, "port": "http"}
    (trigger,) = the(built, "ScaledObject")["spec"]["triggers"]
    assert trigger["metadata"]["topic"] == value.kafka.images_topic
    assert trigger["metadata"]["consumerGroup"] == value.kafka.group
    assert trigger["metadata"]["offsetResetPolicy"] == value.kafka.start
    assert trigger["metadata"]["bootstrapServers"] == value.kafka.bootstrap_servers
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert value.sets.keep_folder in mounts
    (keep,) = (each for each in pods(built)["vigilens"]["volumes"] if each["name"] == "keep")
    assert bytes_of(keep["emptyDir"]["sizeLimit"]) > value.sets.keep_on_disk_bytes


def test_each_pod_has_the_instance_of_its_name_and_no_password_is_written_down(built):
    (container,) = pods(built)["vigilens"]["containers"]
    env = {each["name"]: each for each in container["env"]}
    assert env["VIGILENS_KAFKA__INSTANCE"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    for each in (OPS).rglob("*.*ml"):
        assert not re.search(r"^\s*(sasl_password|token|password):?\s*=?\s*\S", each.read_text(), re.MULTILINE), each
    assert "Secret" not in {each["kind"] for each in built}


def test_every_pod_has_the_settings_and_runs_without_root_on_a_read_only_disk_and_without_privileges(built):
    user = int(re.search(r"useradd .*--uid (\d+)", (ROOT / "Dockerfile").read_text())[1])
    assert len(pods(built)) == 3
    for pod in pods(built).values():
        outer, (container,) = pod["securityContext"], pod["containers"]
        assert (outer["runAsNonRoot"], outer["runAsUser"], outer["seccompProfile"]) == (
            True,
            user,
            {"type": "RuntimeDefault"},
        )
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["automountServiceAccountToken"] is False
        assert "memory" in container["resources"]["limits"]
        (settings,) = (each["value"] for each in container["env"] if each["name"] == "VIGILENS_CONFIG")
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert settings == f"{mounts['settings']}/vigilens.toml"
        assert re.search(r":\d+\.\d+\.\d+$", container["image"])


def test_the_image_has_the_version_of_this_project(built):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {pod["containers"][0]["image"].rpartition(":")[2] for pod in pods(built).values()} == {version}


def test_resources_and_replicas_are_those_of_vigilens_size():
    base = YAML(typ="safe").load((OPS / "base/stateful-set.yaml").read_text())
    scaled = YAML(typ="safe").load((OPS / "components/keda/scaled-object.yaml").read_text())["spec"]
    asked = re.search(r"--images-per-second (\d+) --references (\d+)", (OPS / "base/stateful-set.yaml").read_text())
    made = plan(Load(float(asked[1]), int(asked[2])), Costs())
    needs = {(each.part, each.what): each.amount for each in made.needs}
    (container,) = base["spec"]["template"]["spec"]["containers"]
    resources = container["resources"]
    assert base["spec"]["replicas"] == math.ceil(needs["service", "processes"])
    assert bytes_of(resources["requests"]["memory"]) >= needs["service", "memory"] / needs["service", "processes"]
    assert bytes_of(resources["requests"]["cpu"]) == 1
    assert bytes_of(resources["limits"]["memory"]) > 2.9 * GB
    partitions = needs["kafka", "partitions"]
    assert scaled["maxReplicaCount"] <= partitions
    (trigger,) = scaled["triggers"]
    assert int(trigger["metadata"]["activationLagThreshold"]) >= partitions
    assert trigger["metadata"]["allowIdleConsumers"] == "false"
    assert scaled["minReplicaCount"] == 1


def test_keda_alone_says_how_many_pods_there_are(built):
    assert "replicas" not in the(built, "StatefulSet")["spec"]
    target = the(built, "ScaledObject")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("StatefulSet", "vigilens")


def test_only_prometheus_may_ask_kafka_and_milvus_are_reached_and_private_addresses_cannot_be_fetched(built):
    policy = the(built, "NetworkPolicy")["spec"]
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]
    assert peer["podSelector"]
    assert rule["ports"] == [{"port": "http"}]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    value = load(OPS / "base/vigilens.toml")
    open_ports = {str(port["port"]) for rule in policy["egress"] for port in rule["ports"]}
    for address in (value.kafka.bootstrap_servers, value.milvus.uri):
        assert address.rpartition(":")[2] in open_ports, address
    blocks = [each["ipBlock"] for each in the(built, "NetworkPolicy", "vigilens-fetch")["spec"]["egress"][0]["to"]]
    assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16", "172.16.0.0/12"} <= set(blocks[0]["except"])


def test_the_address_of_the_webhook_is_not_in_a_command_line_which_others_can_read(built):
    (container,) = the(built, "Deployment", "vigilens-notify")["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["notify"]
    assert {"secretRef": {"name": "vigilens-notify"}} in container["envFrom"]


def test_nodes_can_be_drained_a_stop_has_a_minute_and_pods_that_are_not_ready_are_scraped(built):
    assert the(built, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert the(built, "PodDisruptionBudget")["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert pods(built)["vigilens"]["terminationGracePeriodSeconds"] >= 60
    assert the(built, "Service")["spec"]["publishNotReadyAddresses"] is True
    (endpoint,) = the(built, "PodMonitor")["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")


def test_selectors_select_the_pods_that_they_are_for(built):
    service = the(built, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    for kind in ("PodDisruptionBudget", "PodMonitor"):
        wanted = the(built, kind)["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= service.items(), kind
    assert the(built, "Service")["spec"]["selector"].items() <= service.items()
    assert the(built, "Service")["spec"]["clusterIP"] == "None"
    for name in ("vigilens-notify", "vigilens-toolbox"):
        other = the(built, "Deployment", name)["spec"]["template"]["metadata"]["labels"]
        assert not the(built, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= other.items()
        assert the(built, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= other.items()


def test_the_base_and_each_component_can_be_used_alone(built, tmp_path):
    assert built
    for component in sorted((OPS / "components").iterdir()):
        folder = OPS / "components" / component.name
        overlay = tmp_path / component.name
        overlay.mkdir()
        shutil.copytree(OPS / "base", tmp_path / "base", dirs_exist_ok=True)
        shutil.copytree(folder, overlay / "component")
        text = "resources: [../base]\ncomponents: [component]\n"
        (overlay / "kustomization.yaml").write_text(text)
        done = subprocess.run(["kubectl", "kustomize", overlay], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
