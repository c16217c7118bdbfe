"""Files of runs and logged models: paths within a project, each naming a blob."""
