"""The tables of registered models, prompts, their versions and history, and of who is told when they change.

`top` is the largest number that a model ever gave to a version: numbers are never used again. Values of tags
may be as long as a prompt, so that no index holds them.
"""

from __future__ import annotations

REGISTRY = (
    (
        """CREATE TABLE noria_models (
            row {serial}, project {text} NOT NULL, name {text} NOT NULL, description {text} NOT NULL, person {text} NOT NULL,
            keeper {text} NOT NULL, prompt SMALLINT NOT NULL, top BIGINT NOT NULL, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
            UNIQUE (project, name))""",
        """CREATE TABLE noria_model_tags (
            model BIGINT NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (model, key)) {clustered}""",
        "CREATE INDEX noria_model_tags_by_key ON noria_model_tags (key, model)",
        """CREATE TABLE noria_model_versions (
            model BIGINT NOT NULL, number BIGINT NOT NULL, description {text} NOT NULL, person {text} NOT NULL, stage {text} NOT NULL,
            source {text} NOT NULL, location {text} NOT NULL, run {text} NOT NULL, run_link {text} NOT NULL, model_id {text} NOT NULL,
            created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, PRIMARY KEY (model, number)) {clustered}""",
        "CREATE INDEX noria_model_versions_by_stage ON noria_model_versions (model, stage, number)",
        "CREATE INDEX noria_model_versions_by_run ON noria_model_versions (run)",
        "CREATE INDEX noria_model_versions_by_model_id ON noria_model_versions (model_id)",
        "CREATE INDEX noria_model_versions_by_update ON noria_model_versions (updated_ms)",
        """CREATE TABLE noria_version_tags (
            model BIGINT NOT NULL, number BIGINT NOT NULL, key {text} NOT NULL, value {text} NOT NULL,
            PRIMARY KEY (model, number, key)) {clustered}""",
        "CREATE INDEX noria_version_tags_by_key ON noria_version_tags (key, model, number)",
        """CREATE TABLE noria_model_aliases (
            model BIGINT NOT NULL, alias {text} NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (model, alias)) {clustered}""",
        "CREATE INDEX noria_model_aliases_by_number ON noria_model_aliases (model, number)",
        """CREATE TABLE noria_model_moves (
            row {serial}, model BIGINT NOT NULL, kind {text} NOT NULL, subject {text} NOT NULL, before {text} NOT NULL,
            after {text} NOT NULL, person {text} NOT NULL, reason {text} NOT NULL, at_ms BIGINT NOT NULL)""",
        "CREATE INDEX noria_model_moves_by_model ON noria_model_moves (model, kind, subject, at_ms)",
        "CREATE TABLE noria_mirrored (name {text} NOT NULL PRIMARY KEY, position BIGINT NOT NULL)",
        """CREATE TABLE noria_webhooks (
            id {text} NOT NULL PRIMARY KEY, project {text} NOT NULL, name {text} NOT NULL, description {text} NOT NULL,
            url {text} NOT NULL, secret {text} NOT NULL, status {text} NOT NULL, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL)""",
        """CREATE TABLE noria_webhook_events (
            entity {text} NOT NULL, action {text} NOT NULL, webhook {text} NOT NULL, PRIMARY KEY (entity, action, webhook)) {clustered}""",
        """CREATE TABLE noria_webhook_deliveries (
            id {text} NOT NULL PRIMARY KEY, webhook {text} NOT NULL, entity {text} NOT NULL, action {text} NOT NULL, body {text} NOT NULL,
            state {text} NOT NULL, tries BIGINT NOT NULL, said {text} NOT NULL, made_ms BIGINT NOT NULL, next_ms BIGINT NOT NULL)""",
        "CREATE INDEX noria_webhook_deliveries_due ON noria_webhook_deliveries (state, next_ms)",
    ),
)
