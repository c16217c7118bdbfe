"""The training station: snapshot the code, split the rows, run the user's train function, keep its provenance."""
