"""What a training script says of itself: runs, written to a local spool first and sent in the background."""
