"""Slack's side of what comes in: Bolt listeners, payloads, identity, forms.

Belongs here: reading what Slack sends, acknowledging it, asking Slack who somebody is.
Does not: deciding (commands), posting messages (notifier).
"""
