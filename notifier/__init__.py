"""Sends messages out of the process.

Belongs here: routing, rendering of answers, status messages and notifications, delivery to Slack and webhooks.
Does not belong here: detecting what happened (tracking), deciding what is allowed (policy).
May import: commands, policy, velero, store, domain; slack_sdk and aiohttp. It talks to its siblings through the outbox.
"""
