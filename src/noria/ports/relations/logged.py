"""The tables of what runs take in and give out: datasets and logged models; and the indices that runs are searched by.

An index holds the beginning of a value where a database bounds the size of its entries: `{head}`.
"""

from __future__ import annotations

LOGGED = (
    (
        "DROP INDEX noria_params_by_value",
        "CREATE INDEX noria_params_by_head ON noria_params (key, {head}, run)",
        "DROP INDEX noria_tags_by_value",
        "CREATE INDEX noria_tags_by_head ON noria_tags (key, {head}, run)",
        "CREATE INDEX noria_runs_by_time ON noria_runs (state, start_ms, id)",
        """CREATE TABLE noria_datasets (
            row {serial}, experiment BIGINT NOT NULL, name {text} NOT NULL, digest {text} NOT NULL, source_type {text} NOT NULL,
            source {text} NOT NULL, form {text} NOT NULL, profile {text} NOT NULL, UNIQUE (experiment, name, digest))""",
        "CREATE INDEX noria_datasets_by_name ON noria_datasets (name)",
        "CREATE INDEX noria_datasets_by_digest ON noria_datasets (digest)",
        """CREATE TABLE noria_inputs (
            run BIGINT NOT NULL, dataset BIGINT NOT NULL, context {text} NOT NULL, tags {text} NOT NULL,
            PRIMARY KEY (run, dataset)) {clustered}""",
        "CREATE INDEX noria_inputs_by_dataset ON noria_inputs (dataset, context, run)",
        """CREATE TABLE noria_run_models (
            run BIGINT NOT NULL, way {text} NOT NULL, model {text} NOT NULL, step BIGINT NOT NULL,
            PRIMARY KEY (run, way, model, step)) {clustered}""",
        "CREATE INDEX noria_run_models_by_model ON noria_run_models (model, way, run)",
        """CREATE TABLE noria_logged_models (
            row {serial}, id {text} NOT NULL UNIQUE, experiment BIGINT NOT NULL, name {text} NOT NULL, type {text} NOT NULL,
            run {text} NOT NULL, status {text} NOT NULL, state {text} NOT NULL, artifacts {text} NOT NULL, created_ms BIGINT NOT NULL,
            updated_ms BIGINT NOT NULL, deleted_ms BIGINT)""",
        "CREATE INDEX noria_logged_models_by_time ON noria_logged_models (experiment, state, created_ms, id)",
        "CREATE INDEX noria_logged_models_by_run ON noria_logged_models (run)",
        """CREATE TABLE noria_logged_model_params (
            model BIGINT NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (model, key)) {clustered}""",
        """CREATE TABLE noria_logged_model_tags (
            model BIGINT NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (model, key)) {clustered}""",
        """CREATE TABLE noria_logged_model_points (
            model BIGINT NOT NULL, metric BIGINT NOT NULL, at_ms BIGINT NOT NULL, step BIGINT NOT NULL, run BIGINT NOT NULL,
            value {real} NOT NULL, nan SMALLINT NOT NULL, dataset {text} NOT NULL, digest {text} NOT NULL,
            PRIMARY KEY (model, metric, at_ms, step, run, dataset, digest)) {clustered}""",
        "CREATE INDEX noria_logged_model_points_by_run ON noria_logged_model_points (run)",
        "CREATE INDEX noria_logged_model_points_by_value ON noria_logged_model_points (metric, nan, value, model)",
    ),
)
