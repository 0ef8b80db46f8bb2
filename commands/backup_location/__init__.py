"""The noun backup-location: one file per verb.

Belongs here: flags, needs, plan and answer of `backup-location …`. May import: the rest of commands, velero, domain.
"""
