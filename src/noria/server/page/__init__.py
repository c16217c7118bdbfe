"""The pages: server-rendered, alive, calm; every text is in `templates/`."""
