"""Webhooks for pipelines: signed commands and deploy gates over HTTP, and their results.

Belongs here: signatures of senders, bodies, problem documents, processing of a pipeline's command, callbacks.
Does not belong here: decisions (commands), outgoing webhooks (notifier.deliver), Slack (bot.slack).
May import: the same as bot, except bot.slack.
"""
