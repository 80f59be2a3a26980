"""Audit: what years of windows say of each meter and of the fleet: regimes, drift, volumes, compliance."""
