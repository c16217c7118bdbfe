"""The tables of experiments and runs.

A run has a number (`row`) beside its id, and a metric's name one too: points are many, and two small numbers
in front of each keep them half as large. A NaN is kept as `nan = 1` with value 0: SQLite has none.
"""

from __future__ import annotations

TRACKING = (
    (
        """CREATE TABLE noria_experiments (
            id {serial}, project {text} NOT NULL, name {text} NOT NULL, artifacts {text} NOT NULL, state {text} NOT NULL,
            created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, UNIQUE (project, name))""",
        """CREATE TABLE noria_experiment_tags (
            experiment BIGINT NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (experiment, key)) {clustered}""",
        """CREATE TABLE noria_runs (
            row {serial}, id {text} NOT NULL UNIQUE, experiment BIGINT NOT NULL, name {text} NOT NULL, person {text} NOT NULL,
            status {text} NOT NULL, state {text} NOT NULL, start_ms BIGINT NOT NULL, end_ms BIGINT, deleted_ms BIGINT,
            artifacts {text} NOT NULL)""",
        "CREATE INDEX noria_runs_by_start ON noria_runs (experiment, state, start_ms, id)",
        """CREATE TABLE noria_params (
            run BIGINT NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (run, key)) {clustered}""",
        "CREATE INDEX noria_params_by_value ON noria_params (key, value, run)",
        """CREATE TABLE noria_tags (
            run BIGINT NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (run, key)) {clustered}""",
        "CREATE INDEX noria_tags_by_value ON noria_tags (key, value, run)",
        "CREATE TABLE noria_metric_names (id {serial}, name {text} NOT NULL UNIQUE)",
        """CREATE TABLE noria_points (
            run BIGINT NOT NULL, metric BIGINT NOT NULL, at_ms BIGINT NOT NULL, step BIGINT NOT NULL, value {real} NOT NULL,
            nan SMALLINT NOT NULL, PRIMARY KEY (run, metric, at_ms, step, value, nan)) {clustered}""",
        """CREATE TABLE noria_latest (
            run BIGINT NOT NULL, metric BIGINT NOT NULL, value {real} NOT NULL, nan SMALLINT NOT NULL, step BIGINT NOT NULL,
            at_ms BIGINT NOT NULL, PRIMARY KEY (run, metric)) {clustered}""",
        "CREATE INDEX noria_latest_by_value ON noria_latest (metric, nan, value, run)",
    ),
)
