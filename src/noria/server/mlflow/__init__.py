"""MLflow's tracking and registry protocol: whoever sets `MLFLOW_TRACKING_URI` to this server goes on working."""
