"""Charts as Vega-Lite: pure functions from values to a spec with its alternative in words."""
