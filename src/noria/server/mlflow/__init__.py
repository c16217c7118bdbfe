"""The MLflow protocol: one file per group of endpoints."""
