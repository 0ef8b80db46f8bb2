"""The Web API: one file per family of methods.

Belongs here: what each method checks, in Slack's order and with Slack's error codes, and what it answers.
Does not: HTTP, faults, rate limits - those stand around every method alike.
"""
