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


class Autoscaler(Part):
    version: Literal["v2"]
    idle_timeout_seconds: int
    resources: dict[str, dict[str, str]]


class Cluster(Part):
    ray_version: str
    enable_in_tree_autoscaling: Literal[True]
    autoscaler_options: Autoscaler
    auth_options: Auth
    gcs_fault_tolerance_options: dict[str, Any] | None = None
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
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", **template["metadata"]}}
        kubernetes_validate.validate(pod | {"spec": template["spec"]}, KUBERNETES, strict=True)


def cluster_of(document):
    spec = document["spec"]
    return spec.get("rayClusterSpec") or spec.get("rayClusterConfig") or spec


def templates(document):
    if document["kind"] == "CronJob":
        return [document["spec"]["jobTemplate"]["spec"]["template"]]
    if document["kind"] not in OURS:
        return []
    cluster = cluster_of(document)
    return [each["template"] for each in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def refused(document):
    with pytest.raises((ValidationError, kubernetes_validate.ValidationError)):
        checked(document)


@pytest.mark.parametrize(("path", "document"), in_kubernetes(), ids=lambda value: getattr(value, "name", ""))
def test_kubernetes_takes_the_manifests(path, document):
    checked(document)


@pytest.mark.parametrize(("path", "document"), in_kubernetes(), ids=lambda value: getattr(value, "name", ""))
def test_a_wrong_key_anywhere_is_caught(path, document):
    for change in (lambda d: d.update(wine=1), lambda d: d["spec"].update(wine=1) if "spec" in d else d.update(wine=1)):
        wrong = copy.deepcopy(document)
        change(wrong)
        refused(wrong)
    for number in range(len(templates(document))):
        wrong = copy.deepcopy(document)
        templates(wrong)[number]["spec"]["containers"][0]["resource"] = {}
        refused(wrong)


def test_all_name_the_ray_that_quantray_is_pinned_to():
    for path, document in in_kubernetes():
        if document["kind"] in OURS:
            assert cluster_of(document)["rayVersion"] == RAY, path
        for template in templates(document):
            assert [each["image"] for each in template["spec"]["containers"]] == [f"REGISTRY/quantray:{RAY}"], path


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
    r"AKIA[0-9A-Z]{16}|-----BEGIN|(?:password|token|secret)\w*\s*[:=]\s*['\"]?[A-Za-z0-9+/_-]{12,}", re.I
)


def test_no_file_holds_a_secret():
    for path in [*FILES, FOLDER / "Dockerfile"]:
        assert not SECRET.search(path.read_text()), path
    assert SECRET.search("redisPassword: hunter2hunter2")
    assert SECRET.search("aws_access_key_id: AKIAABCDEFGHIJKLMNOP")


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
