"""Shared parts of planning and answering: facts, context, selection, checks, resolving, and answer formats.

Belongs here: what several nouns share. Doesn't belong here: anything that only one noun needs.
May import: commands.grammar, policy, velero, store (types), domain.
"""
