"""Follows clusters: every change becomes an event, exactly once.

Belongs here: one observer per kind, the follower that commits batches, stalled runs, the watchdog, the schedule reconciler.
Does not belong here: reading commands, executing plans, deciding who is notified (notifier).
May import: commands, policy, velero, store, domain; never operations, notifier or bot.
"""
