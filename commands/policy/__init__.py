"""Who may do what, where, and who must agree. Pure.

Belongs here: rules and their reading from plain mappings, the reach of a manifest, guards, decisions, what an actor may
see, and the explanation of all of it.
Does not: reading files, asking clusters or Slack: facts, groups and the time of day are arguments.
May import: domain.
"""
