"""The audit log as evidence: signed checkpoints, verification of the hash chain, export.

Belongs here: what an auditor runs. Does not belong here: appending rows (store.tables.audit).
May import: the rest of store, domain; cryptography.
"""
