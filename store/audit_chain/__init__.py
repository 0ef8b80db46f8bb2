"""The audit log as evidence: signed checkpoints, verification of the hash chain, export.

Belongs here: the tools of an auditor. Does not belong here: appending rows (store.tables.audit).
May import: the rest of store, domain; cryptography.
"""
