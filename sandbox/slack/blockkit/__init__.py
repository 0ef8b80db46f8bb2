"""Block Kit as Slack checks it: types, fields, lengths, counts and surfaces.

Belongs here: the tables of what a block, element or form may hold, and the check that names each fault by its pointer.
Does not: rendering. May import: nothing else of the sandbox.
"""
