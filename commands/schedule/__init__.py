"""The noun schedule: one file per verb, and the horizon that pause and skip move.

Belongs here: flags, needs, plan and answer of `schedule …`. May import: the rest of commands, velero, domain.
"""
