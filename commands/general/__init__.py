"""Verbs without a noun: status, whoami, check, audit, doctor, version, subscribe, and those that the bot doesn't run.

Belongs here: flags, needs and answer of each. May import: the rest of commands, velero, domain.
"""
