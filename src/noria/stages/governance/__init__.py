"""Whether a candidate may meet users: gates, verdicts and approvals."""
