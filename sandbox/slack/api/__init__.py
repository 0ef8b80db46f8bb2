"""The Web API: one file per family of methods.

Belongs here: the checks of each method, in Slack's order and with Slack's error codes, and its answer.
Does not belong here: HTTP, faults and rate limits, which apply to every method.
"""
