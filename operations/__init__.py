"""Carries commands out: request, plan, decision, grant, execution.

Belongs here: the pipeline, the executor, the step runner, approvals, reading facts, hiding what a person may not see.
Does not belong here: the meaning of a verb (commands), watching Velero (tracking), rendering (notifier).
May import: commands, policy, velero, store, domain; never tracking, notifier or bot.
"""
