"""What happened: events with their reasons, the chains between them, and documents by their class."""
