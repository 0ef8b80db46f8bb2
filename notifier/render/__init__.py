"""Renders values to Slack's blocks: pure functions, one module per kind of message.

Belongs here: texts, layout, escaping, Slack's length limits, the bodies of webhooks and alerts.
Does not belong here: who gets a message, and sending it.
"""
