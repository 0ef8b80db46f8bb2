"""The noun cluster: what is known of each cluster, and whether it answers.

Belongs here: flags, needs and answer of `cluster …`. May import: the rest of commands, velero, domain.
"""
