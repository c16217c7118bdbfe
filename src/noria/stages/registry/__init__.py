"""What was registered and where its aliases point, with all of their history."""
