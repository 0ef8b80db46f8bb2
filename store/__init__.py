"""The database: SQLite behind one writer thread.

Belongs here: connection, writer, migrations, one file per table, the audit chain.
Does not belong here: the meaning of a row for people, and any await inside a transaction.
May import: domain; sqlite_utils, cryptography (signed checkpoints of the audit log).
"""
