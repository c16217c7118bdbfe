"""How good a candidate is: metrics with intervals, paired with the champion, by slice, and how fast."""
