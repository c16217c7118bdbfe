"""Batch scoring: whole files through one version, in bounded memory, resumed where it was cut off."""
