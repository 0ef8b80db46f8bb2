"""Commands about restores, one file per verb, and the checks and steps that `restore create` puts together.

Belongs here: flags, needs, plan and answer of `restore …`. The preview is in operations/restore_preview.
May import: the rest of commands, policy, velero, store, domain.
"""
