"""One file per table: its schema and its statements.

Belongs here: SQL. Does not belong here: what a row means to people, transactions (store.transaction).
May import: store.encode, store.times, domain.
"""
