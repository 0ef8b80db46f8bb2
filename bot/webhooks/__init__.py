"""Webhooks for pipelines: signed commands and deploy gates over HTTP, and their results.

Belongs here: signatures of senders, bodies, problem documents, processing of a pipeline's command, callbacks.
Does not: decisions (commands), how webhooks leave (notifier.deliver), Slack (bot.slack).
May import: what bot may; nothing of bot.slack.
"""
