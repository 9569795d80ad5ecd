"""Fixes drafted from findings: shown with their price, applied by a person, then measured."""
