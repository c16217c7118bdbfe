"""An exported folder in a Kubernetes cluster: the objects that run it, let its replicas follow the load, and end them without a lost request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from noria.core.errors import RequestInvalid

MANIFEST, KEDA = "kubernetes.yaml", "keda.yaml"

LEAVE_S = 5
"""A pod that is to end goes on answering this long, until no router knows it any more; then it has `GRACE_S` for what is under way."""

GRACE_S = 40
"""The cluster kills a pod this long after it asked for its end: more than leaving and the data plane's own patience together."""

_MIB = 1 << 20
_REPLICAS = re.compile(r"([1-9]\d{0,3})(?:-([1-9]\d{0,3}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """How an export shall run.

    Attributes:
        image: As the cluster pulls it.
        low, high: Replicas, at least and at most.
    """

    image: str
    low: int = 2
    high: int = 10


def replicas(written: str) -> tuple[int, int]:
    """Bounds that are written as "2-10", or "3" for a fixed number.

    Raises:
        RequestInvalid: they are written in another way.
    """
    found = _REPLICAS.fullmatch(written)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 0 < low <= high:
        raise RequestInvalid(f"{written[:40]!r} is no number of replicas", fix="write --replicas 2-10")
    return low, high


def manifests(name: str, cluster: Cluster, *, memory_bytes: int) -> Mapping[str, str]:
    """File name to content: the objects, and where the number of replicas changes, KEDA's in place of the autoscaler.

    Args:
        name: Of the deployment.
        memory_bytes: What its models take.
    """
    request_mib = 192 + memory_bytes // _MIB
    filled = {
        "name": name,
        "image": cluster.image,
        "low": cluster.low,
        "high": cluster.high,
        "leave_s": LEAVE_S,
        "grace_s": GRACE_S,
        "request": f"{request_mib}Mi",
        "limit": f"{2 * request_mib + 128}Mi",
    }
    elastic = cluster.low < cluster.high
    whole = (_OBJECTS + (_AUTOSCALER if elastic else "")).format(**filled)
    return {MANIFEST: whole, **({KEDA: _KEDA.format(**filled)} if elastic else {})}


_OBJECTS = """\
# {name}: `kubectl apply -f kubernetes.yaml`, after the image was pushed and the token made:
#   docker build -t {image} . && docker push {image}
#   kubectl create secret generic {name}-token --from-literal=token="$(openssl rand -hex 32)"
# Callers show the token, or a key of the deployment, as `Authorization: Bearer …`; so does Prometheus for /metrics.
# What a pod answered is in its journal, which ends with it: mount a volume there where it shall be kept.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app.kubernetes.io/name: "{name}", app.kubernetes.io/managed-by: noria}}
spec:
  replicas: {low}
  selector:
    matchLabels: {{app.kubernetes.io/name: "{name}"}}
  strategy:
    rollingUpdate: {{maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: "{name}", app.kubernetes.io/managed-by: noria}}
    spec:
      terminationGracePeriodSeconds: {grace_s}
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        fsGroup: 10001
        seccompProfile: {{type: RuntimeDefault}}
      containers:
        - name: noria
          image: {image}
          command: [python, -m, noria.dataplane, /opt/noria]
          env:
            - {{name: NORIA_HOST, value: "0.0.0.0"}}
            - {{name: NORIA_SERVE_PORT, value: "8080"}}
            - {{name: NORIA_WORKERS, value: "1"}}
            - {{name: OMP_NUM_THREADS, value: "1"}}
          ports:
            - {{name: http, containerPort: 8080}}
          startupProbe:
            httpGet: {{path: /health/ready, port: http}}
            periodSeconds: 1
            failureThreshold: 120
          readinessProbe:
            httpGet: {{path: /health/ready, port: http}}
            periodSeconds: 2
          livenessProbe:
            httpGet: {{path: /health/live, port: http}}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 6
          lifecycle:
            preStop:
              exec:
                command: [sleep, "{leave_s}"]
          resources:
            requests: {{cpu: "1", memory: {request}}}
            limits: {{memory: {limit}}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
          volumeMounts:
            - {{name: token, mountPath: /opt/noria/token, subPath: token, readOnly: true}}
            - {{name: journal, mountPath: /opt/noria/journal}}
            - {{name: own, mountPath: /opt/noria/dataplane}}
            - {{name: run, mountPath: /opt/noria/run}}
            - {{name: tmp, mountPath: /tmp}}
      volumes:
        - name: token
          secret: {{secretName: "{name}-token"}}
        - name: journal
          emptyDir: {{}}
        - name: own
          emptyDir: {{}}
        - name: run
          emptyDir: {{}}
        - name: tmp
          emptyDir: {{}}
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app.kubernetes.io/name: "{name}"}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{app.kubernetes.io/name: "{name}"}}
"""

_AUTOSCALER = """\
---
# A pod answers from one thread, so it asks for one core; more pods come from 70 % of it on.
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: "{name}"}}
  minReplicas: {low}
  maxReplicas: {high}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {{type: Utilization, averageUtilization: 70}}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      policies:
        - {{type: Percent, value: 100, periodSeconds: 15}}
    scaleDown:
      stabilizationWindowSeconds: 300
"""

_KEDA = """\
# In place of the autoscaler in kubernetes.yaml, where KEDA and Prometheus are there: replicas follow the requests
# under way and the CPU that is used, both from /metrics. With minReplicaCount 0 a request that meets no pod is refused:
# KEDA's HTTP add-on has to hold it until one is there.
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {name}
spec:
  scaleTargetRef: {{name: "{name}"}}
  minReplicaCount: {low}
  maxReplicaCount: {high}
  cooldownPeriod: 300
  triggers:
    - type: prometheus
      metadata:
        serverAddress: http://prometheus.monitoring:9090
        query: sum(noria_requests_in_flight{{app_kubernetes_io_name="{name}"}})
        threshold: "16"
    - type: prometheus
      metadata:
        serverAddress: http://prometheus.monitoring:9090
        query: sum(rate(noria_cpu_seconds_total{{app_kubernetes_io_name="{name}"}}[1m]))
        threshold: "0.7"
"""
