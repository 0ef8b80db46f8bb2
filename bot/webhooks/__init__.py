"""Pipelines' door: signed commands and deploy gates by HTTP, and what became of them.

Belongs here: signatures of senders, bodies, problem documents, the desk that sees a pipeline's command through, callbacks.
Does not: decisions (commands), how webhooks leave (notifier.deliver), Slack (bot.slack).
May import: what bot may; nothing of bot.slack.
"""
