"""The parts of `bench/decisions.py`: streams, rules that decide on them, and the play that both are put in."""
