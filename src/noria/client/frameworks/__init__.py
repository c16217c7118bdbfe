"""What each framework says of its training by itself: through callbacks and hooks that it offers, never by patching it."""
