"""One file per kind of watch: from what flowed by in a chunk of time to readings."""
