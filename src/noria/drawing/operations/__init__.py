"""What other tools watch a home with: alert rules for Prometheus, dashboards for Grafana."""
