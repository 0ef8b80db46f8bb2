"""Kinds that the emulated API server serves, with their structural schemas.

Belongs here: schemas and how objects are checked against them.
"""
