"""The tuning station: search the space that a loop declares, one process per trial."""
