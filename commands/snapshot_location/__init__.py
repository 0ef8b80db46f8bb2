"""The noun snapshot-location: one file per verb.

Belongs here: flags, needs, plan and answer of `snapshot-location …`. May import: the rest of commands, velero, domain.
"""
