"""Station: what is declared becomes an immutable dataset version, checked against what was expected of it."""
