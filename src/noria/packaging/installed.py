"""Reads what is installed in this process's Python, by the standard library alone: any Python may be asked."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from importlib.metadata import Distribution as Found
from importlib.metadata import PackageMetadata, distributions
from pathlib import Path

from noria.core.environment import Distribution, Environment

COUNTED = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "PYTHONHASHSEED",
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "TF_DETERMINISTIC_OPS",
)
"""Variables that sums, or the order of sets, depend on."""

LICENSE_LIMIT = 120
_WRITTEN_ON_INSTALLING = re.compile(r"(\.pyc$|\.dist-info/(INSTALLER|REQUESTED|RECORD|direct_url\.json|uv_cache\.json)$|^\.\./)")
"""Files of a RECORD that say how it was installed, not what."""


def environment() -> Environment:
    """The environment of this process; reading it takes about a millisecond for each distribution."""
    found: dict[str, Distribution] = {}
    for one in distributions():
        told = _told(one)
        if told is not None:
            found.setdefault(told.name, told)
    return Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=platform.platform(),
        machine=platform.machine(),
        processor=processor(),
        variables={name: os.environ[name] for name in COUNTED if os.environ.get(name)},
        distributions=tuple(found[name] for name in sorted(found)),
    )


def processor() -> str:
    """The processor's name, or what kind it is."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def normalised(name: str) -> str:
    """A distribution's name as indexes spell it.

    >>> normalised("Foo_Bar.baz")
    'foo-bar-baz'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _told(one: Found) -> Distribution | None:
    metadata = one.metadata
    name = metadata["Name"]
    if not name:
        return None
    origin, editable, archive = _origin(one)
    return Distribution(
        name=normalised(name),
        version=one.version,
        content=_content(one.read_text("RECORD") or "", editable=editable),
        origin=origin,
        editable=editable,
        archive=archive,
        license=_license(metadata),
    )


def _origin(one: Found) -> tuple[str, bool, str]:
    """See PEP 610: where it was installed from, whether as a working folder, and the archive's hash."""
    try:
        told = json.loads(one.read_text("direct_url.json") or "{}")
    except ValueError:
        return "", False, ""
    hashes = told.get("archive_info", {}).get("hashes") or {}
    sha256 = hashes.get("sha256", "")
    return str(told.get("url", "")), bool(told.get("dir_info", {}).get("editable")), f"sha256={sha256}" if sha256 else ""


def _content(record: str, *, editable: bool) -> str:
    lines = [line for line in record.splitlines() if line and not _WRITTEN_ON_INSTALLING.search(line.partition(",")[0])]
    return "" if editable or not lines else "sha256:" + hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _license(metadata: PackageMetadata) -> str:
    told = next(filter(None, [*(metadata.get_all("License-Expression") or ()), *(metadata.get_all("License") or ())]), "").strip()
    line = told.splitlines()[0] if told else ""
    kinds = [one for one in metadata.get_all("Classifier") or () if one.startswith("License :: ") and not one.endswith(" :: OSI Approved")]
    return (line if line and len(line) <= LICENSE_LIMIT else ", ".join(one.rpartition(" :: ")[2] for one in kinds))[:LICENSE_LIMIT]
