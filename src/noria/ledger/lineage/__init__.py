"""What came from what: the web of all things on record, its walks, and its exchange with other systems by OpenLineage."""
