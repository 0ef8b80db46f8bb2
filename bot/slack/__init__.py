"""Requests from Slack: Bolt listeners, payloads, identity, forms.

Belongs here: reading and acknowledging what Slack sends, and asking Slack about people.
Does not belong here: deciding (commands), posting messages (notifier).
"""
