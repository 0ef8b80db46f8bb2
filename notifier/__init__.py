"""What goes out.

Belongs here: routing, dedup, rendering of answers, cards and notices, delivery to Slack and webhooks.
Does not: deciding what happened (commands.track) or what may happen (commands.policy).
May import: velero, store, domain; slack_sdk and aiohttp. Siblings with commands: they talk through the outbox.
"""
