"""The noun backup: one file per verb, and the BackupSpec that backups and schedules share.

Belongs here: flags, needs, plan and answer of `backup …`. May import: the rest of commands, velero, domain.
"""
