"""The noun repo: one file per verb.

Belongs here: flags, needs and answer of `repo …`. May import: the rest of commands, velero, domain.
"""
