"""What a model is on disk: encode, save, audit, load; one file per framework."""
