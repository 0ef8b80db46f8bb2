"""Shared parts of planning and answering: facts, context, selection, checks, resolving, and answer formats.

Belongs here: code that several nouns share. Does not belong here: code that only one noun needs.
May import: commands.grammar, policy, velero, store (types), domain.
"""
