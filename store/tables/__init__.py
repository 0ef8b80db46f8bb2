"""One file per table: its schema and its statements.

Belongs here: SQL. Does not belong here: the meaning of a row for people, transactions (store.transaction).
May import: store.encode, store.times, domain.
"""
