"""What was seen in a cluster → what happened: pure comparison of what was known with what is seen.

Belongs here: one file per kind (observe), stalls, the follower that commits batches, the advance of our operations.
Does not: reading results files, words for people, deciding who is told (notifier).
"""
