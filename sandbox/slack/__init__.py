"""A Slack workspace on loopback.

Belongs here: what Slack keeps (people, channels, messages, forms, files), its Web API with Slack's limits and error
codes, the signed requests it sends to the bot, faults on demand, the driving API of tests and the page.
Does not: anything of Velero or Kubernetes.
May import: the standard library and aiohttp. It knows nothing of the bot but its request URL.
"""
