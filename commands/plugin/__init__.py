"""The noun plugin: one file per verb.

Belongs here: flags, needs and answer of `plugin …`. May import: the rest of commands, velero, domain.
"""
