"""Who may do what: users with their roles, tokens and sessions, and the record of all that was ordered."""
