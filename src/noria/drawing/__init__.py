"""How values look: charts, words and documents, the same on the page, in a file, in a notebook and in a message."""
