"""The table of artifacts: which content lies under which path of a project.

A path is a folder and a name; folders are not kept, they are what their files begin with. The content is a blob.
"""

from __future__ import annotations

ARTIFACTS = (
    (
        """CREATE TABLE noria_artifacts (
            project {text} NOT NULL, folder {text} NOT NULL, name {text} NOT NULL, digest {text} NOT NULL, size_bytes BIGINT NOT NULL,
            put_ms BIGINT NOT NULL, PRIMARY KEY (project, folder, name)) {clustered}""",
        "CREATE INDEX noria_artifacts_by_digest ON noria_artifacts (digest)",
    ),
)
