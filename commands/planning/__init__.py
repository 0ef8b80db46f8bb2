"""What every verb plans with: facts, context, selection, shared checks, resolving, and the form of answers.

Belongs here: what several nouns share. Does not belong here: anything only one noun needs.
May import: commands.grammar, policy, velero, store (types), domain.
"""
