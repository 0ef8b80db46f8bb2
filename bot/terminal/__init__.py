"""Terminal commands, one file each.

Belongs here: reading arguments, printing, exit codes. Does not belong here: decisions (commands), storage (store).
`plan`, `cron` and `audit` need no settings, no secrets and no network, and start without Slack and Kubernetes libraries.
"""
