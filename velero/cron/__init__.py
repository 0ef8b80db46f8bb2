"""When Velero's server runs a schedule, exactly as the server computes it.

Belongs here: both cron dialects, Go's text and time zone rules, the schedule controller's arithmetic, descriptions.
Does not belong here: pauses and skips of a schedule (commands.schedule).
May import: domain.
"""
