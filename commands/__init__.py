"""The command language and its verbs: the meaning of a command line, and the plan of its writes. Pure.

Belongs here: the grammar, planning, and one package per noun with one file per verb (flags, needs, plan, answer).
Does not belong here: reading clusters or running plans (operations), following runs (tracking), rendering (notifier).
May import: policy, velero, store (types of rows and transactions), domain.
"""
