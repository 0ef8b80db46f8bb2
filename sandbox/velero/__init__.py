"""A Velero 1.18 server, as far as its API objects and files show it.

Belongs here: one file per controller, the files a run leaves in the object store, scripted outcomes for stories and tests.
Does not belong here: how objects are stored and served (`sandbox.kubernetes`), how the bot uses them.
May import: `sandbox.kubernetes`, `sandbox.bucket`, `sandbox.clock`, and `velero.cron.expression`, which has to predict this server.
Every behaviour was observed on a real server, quirks included; a more lenient one is a defect.
"""
