"""The stations of the ring; none imports another."""
