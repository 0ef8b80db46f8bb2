"""Block Kit as Slack checks it: types, fields, lengths, counts and surfaces.

Belongs here: the allowed fields of blocks, elements and forms, and the check that names each error by its pointer.
Does not belong here: rendering. May import: nothing else of the sandbox.
"""
