"""What a user writes: frozen values that say what a loop is; nothing here runs."""
