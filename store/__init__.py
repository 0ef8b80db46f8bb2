"""Memory.

Belongs here: SQLite, its one writer thread, migrations, one file per table, the audit chain.
Does not: what a row means to people, or any await inside a transaction.
May import: domain; sqlite_utils, cryptography (signed heads of the audit).
"""
