"""What `bench/serving.py` measures: models, servers, and the load that they get."""
