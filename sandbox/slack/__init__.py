"""A Slack workspace on loopback.

Belongs here: Slack's state (people, channels, messages, forms, files), its Web API with Slack's limits and error
codes, the signed requests it sends to the bot, faults on demand, the driving API of tests and the page.
Does not belong here: Velero and Kubernetes.
May import: the standard library and aiohttp. It knows only the bot's request URL.
"""
