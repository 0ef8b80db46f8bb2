"""The process, and all incoming requests.

Belongs here: Slack listeners, HTTP routes, settings, the composition root, the life cycle, the terminal commands.
Does not belong here: decisions (commands), texts and layout of messages (notifier), SQL (store), Kubernetes (velero).
May import: every package but the sandbox; slack_bolt, slack_sdk, aiohttp, click, prometheus_client, pydantic.
"""
