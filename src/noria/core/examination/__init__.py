"""What was looked at behind a scorecard: one file per subject, all together in `examination.py`."""
