"""The nouns of the ring: frozen values, standard library only."""
