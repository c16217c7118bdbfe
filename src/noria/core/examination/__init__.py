"""What was looked at behind a scorecard: one file per subject, all of it plain values."""
