"""What stands in clusters/ is valid, agrees with itself, and holds no secret."""

import copy
import re
from pathlib import Path
from typing import Any, Literal

import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from quantray.serving.settings import ServiceSettings

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "clusters"
FILES = sorted(FOLDER.rglob("*.yaml"))
KUBERNETES = "1.34"
RAY = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Metadata(Part):
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")
    labels: dict[str, str]


class Head(Part):
    ray_start_params: dict[str, str]
    template: dict[str, Any]


class Workers(Head):
    group_name: str
    replicas: int = Field(ge=0)
    min_replicas: int = Field(ge=0)
    max_replicas: int = Field(ge=1)


class Auth(Part):
    mode: Literal["token"]


class Resources(Part):
    requests: dict[str, str]
    limits: dict[str, str]


class Autoscaler(Part):
    version: Literal["v2"]
    idle_timeout_seconds: int
    resources: Resources


class SecretKey(Part):
    name: str
    key: str


class FromSecret(Part):
    secret_key_ref: SecretKey


class Password(Part):
    value_from: FromSecret


class FaultTolerance(Part):
    redis_address: str
    redis_password: Password


class Cluster(Part):
    ray_version: str
    enable_in_tree_autoscaling: Literal[True]
    autoscaler_options: Autoscaler
    auth_options: Auth
    gcs_fault_tolerance_options: FaultTolerance | None = None
    head_group_spec: Head
    worker_group_specs: list[Workers] = Field(min_length=1)


class RayCluster(Part):
    api_version: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: Metadata
    spec: Cluster


class Job(Part):
    entrypoint: str
    submission_mode: Literal["K8sJobMode"]
    backoff_limit: int
    active_deadline_seconds: int
    shutdown_after_job_finishes: Literal[True]
    ttl_seconds_after_finished: int
    submitter_pod_template: dict[str, Any]
    ray_cluster_spec: Cluster


class RayJob(Part):
    api_version: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: Job


class Service(Part):
    serve_config_v2: str
    ray_cluster_config: Cluster


class RayService(Part):
    api_version: Literal["ray.io/v1"]
    kind: Literal["RayService"]
    metadata: Metadata
    spec: Service


OURS = {"RayCluster": RayCluster, "RayJob": RayJob, "RayService": RayService}


def documents(path):
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def in_kubernetes():
    return [(path, each) for path in FILES if path.parent.name == "kubernetes" for each in documents(path)]


def checked(document):
    """Raise where Kubernetes, or KubeRay, would refuse a document."""
    if document["kind"] not in OURS:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        return
    OURS[document["kind"]].model_validate(document)
    for template in templates(document):
        pod = {"apiVersion": "v1", "kind": "Pod"} | template | {"metadata": {"name": "x"} | template["metadata"]}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def cluster_of(document):
    spec = document["spec"]
    return spec.get("rayClusterSpec") or spec.get("rayClusterConfig") or spec


def templates(document):
    if document["kind"] == "CronJob":
        return [document["spec"]["jobTemplate"]["spec"]["template"]]
    if document["kind"] not in OURS:
        return []
    cluster, submitter = cluster_of(document), document["spec"].get("submitterPodTemplate")
    found = [each["template"] for each in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    return found if submitter is None else [*found, submitter]


def refused(document):
    with pytest.raises((ValidationError, kubernetes_validate.ValidationError)):
        checked(document)


@pytest.mark.parametrize(("path", "document"), in_kubernetes(), ids=lambda value: getattr(value, "name", ""))
def test_kubernetes_takes_the_manifests(path, document):
    checked(document)


FREE = {"labels", "matchLabels", "nodeSelector", "rayStartParams", "limits", "requests"}
"""Mappings whose keys are the writer's own."""


def mappings(node, path=()):
    """The path of every mapping whose keys are Kubernetes's or Ray's."""
    if isinstance(node, dict):
        if not (path and path[-1] in FREE):
            yield path
        for key, value in node.items():
            yield from mappings(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from mappings(value, (*path, number))


def planted(document, path, change):
    """A copy that is changed at a path."""
    wrong = copy.deepcopy(document)
    node = wrong
    for step in path:
        node = node[step]
    change(node)
    return wrong


@pytest.mark.parametrize(("path", "document"), in_kubernetes(), ids=lambda value: getattr(value, "name", ""))
def test_a_wrong_key_anywhere_is_caught(path, document):
    # Of things in a list, one stands for those that have the same keys.
    alike = {tuple("item" if isinstance(step, int) else step for step in place): place for place in mappings(document)}
    for place in alike.values():
        refused(planted(document, place, lambda node: node.update(wine=1)))


def wrong_versions(document):
    """What names another Ray than the one that quantray is pinned to."""
    named = [cluster_of(document)["rayVersion"]] if document["kind"] in OURS else []
    images = [each["image"] for template in templates(document) for each in template["spec"]["containers"]]
    return [n for n in named if n != RAY] + [i for i in images if i != f"REGISTRY/quantray:{RAY}"]


def test_all_name_the_ray_that_quantray_is_pinned_to():
    for path, document in in_kubernetes():
        assert wrong_versions(document) == [], path
        for template in templates(document):
            container = template["spec"]["containers"][0]
            container["image"] = "REGISTRY/quantray:2.59.0"
            assert wrong_versions(document) == ["REGISTRY/quantray:2.59.0"], path
            container["image"] = f"REGISTRY/quantray:{RAY}"
        if document["kind"] in OURS:
            cluster_of(document)["rayVersion"] = "2.59.0"
            assert wrong_versions(document) == ["2.59.0"], path


def admitted(policy, labels, namespace, port):
    """Whether a pod with some labels, of a namespace with some labels or of the wall's own, may come in at a port."""

    def among(selector, found):
        return selector["matchLabels"].items() <= found.items()

    for rule in policy["spec"]["ingress"]:
        for peer in rule["from"]:
            here = among(peer["namespaceSelector"], namespace) if "namespaceSelector" in peer else not namespace
            pods = "podSelector" not in peer or among(peer["podSelector"], labels)
            if here and pods and port in [each["port"] for each in rule.get("ports", [{"port": port}])]:
                return True
    return False


def test_the_wall_lets_in_what_ray_needs_and_nobody_else():
    (policy,) = (each for _, each in in_kubernetes() if each["kind"] == "NetworkPolicy")
    wall = policy["spec"]["podSelector"]["matchLabels"]
    for path, document in in_kubernetes():
        for template in templates(document):
            # Heads, workers and the pod that hands a job in: behind the wall, and let through it.
            assert wall.items() <= template["metadata"]["labels"].items(), path
            assert admitted(policy, template["metadata"]["labels"], {}, 8265), path
    # As KubeRay's chart and its kustomization label the operator; it asks for jobs (8265) and probes Serve (8000).
    operator, home = (
        {"app.kubernetes.io/component": "kuberay-operator"},
        {"kubernetes.io/metadata.name": "KUBERAY_NAMESPACE"},
    )
    assert [port for port in (6379, 8000, 8265, 10001) if admitted(policy, operator, home, port)] == [8000, 8265]
    for labels, namespace in (
        (operator, {}),
        (operator, {"kubernetes.io/metadata.name": "other"}),
        ({}, home),
        ({}, {}),
    ):
        assert not any(admitted(policy, labels, namespace, port) for port in (6379, 8000, 8265, 10001))
    assert [p for p in (8000, 8265) if admitted(policy, {}, {"quantray/ingress": "true"}, p)] == [8000]


def test_nothing_runs_as_root_nor_may_become_it():
    for path, document in in_kubernetes():
        for template in templates(document):
            spec = template["spec"]
            assert spec["securityContext"]["runAsNonRoot"], path
            for container in spec["containers"]:
                assert container["securityContext"]["allowPrivilegeEscalation"] is False, path
                assert container["resources"]["limits"]["memory"], path


def test_heads_compute_nothing_and_are_not_on_the_spot_market():
    for path, document in in_kubernetes():
        if document["kind"] in OURS:
            head = cluster_of(document)["headGroupSpec"]
            assert head["rayStartParams"]["num-cpus"] == "0", path
            assert head["template"]["spec"]["nodeSelector"] == {"quantray/spot": "false"}, path
    for name in ("aws.yaml", "gcp.yaml"):
        launcher = yaml.safe_load((FOLDER / name).read_text())
        head = launcher["available_node_types"][launcher["head_node_type"]]
        assert head["resources"] == {"CPU": 0}
        assert "SPOT" not in str(head).upper()


@pytest.mark.parametrize("name", ["aws.yaml", "gcp.yaml"])
def test_the_launcher_takes_its_file(name):
    from ray.autoscaler._private.util import prepare_config, validate_config

    content = yaml.safe_load((FOLDER / name).read_text())
    validate_config(prepare_config(copy.deepcopy(content)))
    with pytest.raises(Exception, match="wine"):
        validate_config(prepare_config(content | {"wine": 1}))
    start = " ".join(content["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in start
    setup = " ".join(content["setup_commands"])
    assert "RAY_AUTH_MODE=token" in setup
    assert "-c ~/quantray/constraints.txt" in setup


def serve_configs():
    service = yaml.safe_load((FOLDER / "kubernetes" / "rayservice.yaml").read_text())
    return [(FOLDER / "serve.yaml").read_text(), service["spec"]["serveConfigV2"]]


@pytest.mark.parametrize("text", serve_configs())
def test_serve_takes_its_configuration(text):
    from ray.serve.schema import ServeDeploySchema

    content = yaml.safe_load(text)
    found = ServeDeploySchema.model_validate(content)
    # The schema ignores what it does not know.
    assert set(content) <= set(ServeDeploySchema.model_fields)
    (application,) = found.applications
    told = {name: value for name, value in application.args.items() if name != "replicas"}
    assert not ServiceSettings.model_validate(told).open
    module, _, name = application.import_path.partition(":")
    assert (ROOT / (module.replace(".", "/") + ".py")).read_text().count(f"def {name}(") == 1


SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN|(?:password|token|secret|api_?key)\w*\s*[:=]\s*['\"]?[A-Za-z0-9+/_-]{12,}", re.I
)
SECRET_NAME = re.compile(r"password|token|secret|credential|api_?key", re.I)


def literal_secrets(node):
    """Variables of the environment, and data of Kubernetes's secrets, that stand in a file instead of behind a name."""
    if isinstance(node, list):
        return [found for each in node for found in literal_secrets(each)]
    if not isinstance(node, dict):
        return []
    own = [node["name"]] if "value" in node and SECRET_NAME.search(str(node.get("name"))) else []
    own += [key for key in ("data", "stringData") if node.get("kind") == "Secret" and node.get(key)]
    own += [key for key, value in node.items() if SECRET_NAME.search(key) and isinstance(value, str) and key != "name"]
    return own + [found for each in node.values() for found in literal_secrets(each)]


def test_no_file_holds_a_secret():
    for path in [*FILES, FOLDER / "Dockerfile"]:
        assert not SECRET.search(path.read_text()), path
    assert SECRET.search("redisPassword: hunter2hunter2")
    assert SECRET.search("aws_access_key_id: AKIAABCDEFGHIJKLMNOP")


def test_a_literal_secret_is_caught_wherever_it_is_planted():
    for path, document in in_kubernetes():
        assert literal_secrets(document) == [], path
        for template in templates(document):
            variables = template["spec"]["containers"][0].setdefault("env", [])
            variables.append({"name": "RAY_AUTH_TOKEN", "value": "x"})
            assert literal_secrets(document) == ["RAY_AUTH_TOKEN"], path
            variables.pop()
        if document["kind"] == "RayService":
            document["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]["redisPassword"] = "hunter2"
            assert literal_secrets(document) == ["redisPassword"], path
    assert literal_secrets({"kind": "Secret", "stringData": {"a": "b"}}) == ["stringData"]


def test_programs_that_are_named_are_there():
    for path in FILES:
        for program in re.findall(r"workflows/[\w/]+\.(?:py|yaml)", path.read_text()):
            assert (ROOT / program).is_file(), (path, program)


def test_the_image_holds_the_locked_versions_and_no_root():
    text = (FOLDER / "Dockerfile").read_text()
    assert "-c constraints.txt" in text
    assert re.search(r"^USER 1000$", text, re.MULTILINE)
    for source in re.findall(r"^COPY (.+)$", text, re.MULTILINE):
        for name in source.split()[:-1]:
            assert (ROOT / name).exists(), name
