"""Registered models, their versions, aliases and stages as MLflow's clients see them; Noria's own versions are among them."""
