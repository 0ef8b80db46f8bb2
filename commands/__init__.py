"""What is decided and done.

Belongs here: the grammar and its registry, one file per verb (flags, needs, plan), policy, approval, execution, tracking.
Does not: how something is said (notifier), who speaks which protocol (bot), how a cluster or the store is reached.
May import: velero, store, domain; never notifier, bot, slack_sdk, aiohttp, kubernetes.
"""
