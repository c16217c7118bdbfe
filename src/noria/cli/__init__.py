"""The `noria` command, one file per group of verbs."""
