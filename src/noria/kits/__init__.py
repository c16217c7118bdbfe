"""Crafts for a kind of model, filling the stages' protocols."""
