"""What a cluster is told: objects that name each other, probes that the data plane answers, and an end that loses nothing."""

from __future__ import annotations

import pytest
import yaml

from noria.app.kubernetes import GRACE_S, KEDA, LEAVE_S, MANIFEST, Cluster, manifests, replicas
from noria.core.errors import RequestInvalid
from noria.dataplane.main import DRAIN_S

IMAGE = "registry.example/churn:1"


def objects(cluster: Cluster) -> dict[str, dict]:
    return {one["kind"]: one for one in yaml.safe_load_all(manifests("churn", cluster, memory_bytes=64 << 20)[MANIFEST])}


def test_the_objects_name_each_other() -> None:
    found = objects(Cluster(image=IMAGE, low=2, high=10))
    assert set(found) == {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"}
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"] == "churn"
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 10)


def test_a_pod_has_probes_a_limit_of_memory_and_no_more_rights_than_it_needs() -> None:
    pod = objects(Cluster(image=IMAGE))["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert container["resources"] == {"requests": {"cpu": "1", "memory": "256Mi"}, "limits": {"memory": "640Mi"}}
    assert container["securityContext"]["readOnlyRootFilesystem"] and pod["securityContext"]["runAsNonRoot"]
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}


def test_it_leaves_the_routers_before_it_is_asked_to_end_and_has_time_for_what_is_under_way() -> None:
    pod = objects(Cluster(image=IMAGE))["Deployment"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(LEAVE_S)]
    assert pod["terminationGracePeriodSeconds"] == GRACE_S > LEAVE_S + DRAIN_S


def test_a_fixed_number_has_no_autoscaler_and_one_alone_may_be_moved() -> None:
    found = manifests("churn", Cluster(image=IMAGE, low=1, high=1), memory_bytes=0)
    kinds = {one["kind"]: one for one in yaml.safe_load_all(found[MANIFEST])}
    assert "HorizontalPodAutoscaler" not in kinds and KEDA not in found
    assert kinds["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_kedas_object_asks_for_metrics_that_there_are() -> None:
    scaled = yaml.safe_load(manifests("churn", Cluster(image=IMAGE), memory_bytes=0)[KEDA])
    queries = [one["metadata"]["query"] for one in scaled["spec"]["triggers"]]
    assert "noria_requests_in_flight" in queries[0] and "noria_cpu_seconds_total" in queries[1]


@pytest.mark.parametrize(("written", "bounds"), [("2-10", (2, 10)), ("3", (3, 3))])
def test_replicas_are_bounds_or_a_number(written, bounds) -> None:
    assert replicas(written) == bounds


@pytest.mark.parametrize("written", ["", "0", "4-2", "two", "1-", "1-2-3"])
def test_other_replicas_are_refused(written) -> None:
    with pytest.raises(RequestInvalid, match="no number of replicas"):
        replicas(written)
