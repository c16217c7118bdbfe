"""Monitoring and evaluation without a deployment: two tables held against each other, once, in a script, a notebook or CI."""
