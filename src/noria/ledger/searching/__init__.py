"""The language in which MLflow's clients search: filters, orders and page tokens as frozen values."""
