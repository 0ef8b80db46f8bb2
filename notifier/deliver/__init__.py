"""Delivers notices: once to Slack, at least once to webhooks.

Belongs here: posting, editing, reconciling, retries, rate limits, signatures, address checks.
Does not belong here: texts and layout (`render`), who gets a message (`route`).
"""
