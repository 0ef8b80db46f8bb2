"""The noun backup: one file per verb, and the template that backups and schedules share.

Belongs here: flags, needs, plan and answer of `backup …`. May import: the rest of commands, velero, domain.
"""
