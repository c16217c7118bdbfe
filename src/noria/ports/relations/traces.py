"""The tables of traces: what programs did step by step, and what was said of it.

A trace has a number (`row`) beside its id; all that belongs to it is kept under that number. What is searched by its
beginning is indexed by its first 100 characters: databases index no text of any length.
"""

from __future__ import annotations

TRACES = (
    (
        """CREATE TABLE noria_traces (
            row {serial}, id {text} NOT NULL UNIQUE, experiment BIGINT NOT NULL, at_ms BIGINT NOT NULL, took_ms BIGINT,
            state {text} NOT NULL, name {text} NOT NULL, client {text} NOT NULL, request {text}, response {text},
            told SMALLINT NOT NULL, kept SMALLINT NOT NULL, input_tokens BIGINT, output_tokens BIGINT, total_tokens BIGINT,
            cache_read_input_tokens BIGINT, cache_creation_input_tokens BIGINT)""",
        "CREATE INDEX noria_traces_by_time ON noria_traces (experiment, at_ms DESC, id)",
        """CREATE TABLE noria_trace_tags (
            trace BIGINT NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (trace, key)) {clustered}""",
        "CREATE INDEX noria_trace_tags_by_value ON noria_trace_tags (key, substr(value, 1, 100), trace)",
        """CREATE TABLE noria_trace_metadata (
            trace BIGINT NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (trace, key)) {clustered}""",
        "CREATE INDEX noria_trace_metadata_by_value ON noria_trace_metadata (key, substr(value, 1, 100), trace)",
        """CREATE TABLE noria_trace_links (
            trace BIGINT NOT NULL, kind {text} NOT NULL, target {text} NOT NULL, PRIMARY KEY (trace, kind, target)) {clustered}""",
        "CREATE INDEX noria_trace_links_by_target ON noria_trace_links (kind, target, trace)",
        """CREATE TABLE noria_spans (
            trace BIGINT NOT NULL, id {text} NOT NULL, parent {text} NOT NULL, name {text} NOT NULL, type {text} NOT NULL,
            status {text} NOT NULL, start_ns BIGINT NOT NULL, end_ns BIGINT NOT NULL, model {text} NOT NULL, provider {text} NOT NULL,
            input_cost {real}, output_cost {real}, total_cost {real}, usage {text} NOT NULL, body {text} NOT NULL,
            UNIQUE (trace, id))""",
        "CREATE INDEX noria_spans_by_type ON noria_spans (type, trace)",
        "CREATE INDEX noria_spans_by_name ON noria_spans (substr(name, 1, 100), trace)",
        """CREATE TABLE noria_assessments (
            id {text} PRIMARY KEY, trace BIGINT NOT NULL, kind {text} NOT NULL, name {text} NOT NULL, value {text} NOT NULL,
            number {real}, valid SMALLINT NOT NULL, overrides {text} NOT NULL, created_ms BIGINT NOT NULL,
            updated_ms BIGINT NOT NULL, body {text} NOT NULL)""",
        "CREATE INDEX noria_assessments_by_trace ON noria_assessments (trace, created_ms, id)",
        "CREATE INDEX noria_assessments_by_name ON noria_assessments (kind, substr(name, 1, 100), trace)",
    ),
)
"""`told` is 1 once the trace's own account came (spans may come before it), `kept` is 1 where the spans are kept here and
not in a file; `body` is JSON."""

EVALUATION = (
    (
        """CREATE TABLE noria_evaluation_datasets (
            id {text} PRIMARY KEY, project {text} NOT NULL, name {text} NOT NULL, digest {text} NOT NULL, created_ms BIGINT NOT NULL,
            updated_ms BIGINT NOT NULL, created_by {text} NOT NULL, updated_by {text} NOT NULL, fields {text} NOT NULL)""",
        "CREATE INDEX noria_evaluation_datasets_by_name ON noria_evaluation_datasets (project, name)",
        """CREATE TABLE noria_evaluation_tags (
            dataset {text} NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (dataset, key)) {clustered}""",
        """CREATE TABLE noria_evaluation_experiments (
            dataset {text} NOT NULL, experiment BIGINT NOT NULL, PRIMARY KEY (dataset, experiment)) {clustered}""",
        "CREATE INDEX noria_evaluation_experiments_back ON noria_evaluation_experiments (experiment, dataset)",
        """CREATE TABLE noria_evaluation_records (
            row {serial}, id {text} NOT NULL UNIQUE, dataset {text} NOT NULL, inputs {text} NOT NULL, created_ms BIGINT NOT NULL,
            updated_ms BIGINT NOT NULL, body {text} NOT NULL, UNIQUE (dataset, inputs))""",
        "CREATE INDEX noria_evaluation_records_in_order ON noria_evaluation_records (dataset, row)",
        """CREATE TABLE noria_scorers (
            id {text} PRIMARY KEY, experiment BIGINT NOT NULL, name {text} NOT NULL, UNIQUE (experiment, name))""",
        """CREATE TABLE noria_scorer_versions (
            scorer {text} NOT NULL, version BIGINT NOT NULL, body {text} NOT NULL, created_ms BIGINT NOT NULL,
            PRIMARY KEY (scorer, version))""",
        """CREATE TABLE noria_scorer_sampling (
            id {text} PRIMARY KEY, scorer {text} NOT NULL UNIQUE, share {real} NOT NULL, filter {text})""",
    ),
)
"""`inputs` is the digest of a record's inputs: the same inputs are the same record."""
