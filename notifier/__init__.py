"""Sends messages out of the process.

Belongs here: routing, rendering of answers, status messages and notifications, delivery to Slack and webhooks.
Does not belong here: deciding what happened (`tracking`) or what may happen (`policy`).
May import: commands, policy, velero, store, domain; slack_sdk and aiohttp. It talks to its siblings through the outbox.
"""
