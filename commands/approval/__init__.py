"""Two pairs of eyes: who is asked, who votes, what the last vote sets going.

Belongs here: the life of an approval from asking to its end. Does not: who may approve (policy), what is posted (notifier).
May import: the rest of commands, store, velero, domain.
"""
