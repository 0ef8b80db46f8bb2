"""The noun restore: one file per verb.

Belongs here: flags, needs, plan and answer of `restore …`, the preview. May import: the rest of commands, velero, domain.
"""
