"""The policy: who may do what, where, and who has to approve. Pure.

Belongs here: rules and how they are read, the reach of a manifest, guards, decisions, visibility, explanations.
Does not belong here: reading files, clusters or Slack: facts, groups and the time are arguments.
May import: domain.
"""
