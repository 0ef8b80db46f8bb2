"""The life of an approval request: opened, voted on, completed, expired or withdrawn.

Belongs here: transitions, voting and eligibility of voters, drift of a plan, deadlines, messages about requests.
Does not belong here: who may approve (policy), how a request is rendered (notifier).
May import: the rest of operations, commands, policy, velero, store, domain.
"""
