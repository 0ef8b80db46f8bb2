"""A Velero 1.18 server as its watchers see it.

Belongs here: one file per controller, the files a run leaves in the object store, scripted outcomes for stories and tests.
Does not: how objects are stored and served (`sandbox.kubernetes`), what the bot makes of all this.
May import: `sandbox.kubernetes`, `sandbox.bucket`, `sandbox.clock`, and `velero.cron.expression`, which has to predict this server.
Every behaviour is one that a real server was seen to have, quirks included; being kinder is a defect.
"""
