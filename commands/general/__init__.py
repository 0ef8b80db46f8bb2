"""Words without a noun: help, status, whoami, check, version and those that chat does not run.

Belongs here: flags, needs and answer of each. May import: the rest of commands, velero, domain.
"""
