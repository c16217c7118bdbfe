"""How work survives: a step journal, leases, retries and wake-ups; knows no model and no data."""
