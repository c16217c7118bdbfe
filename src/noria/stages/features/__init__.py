"""Station: dataset versions become a point-in-time-correct training table, and the same features at request time."""
