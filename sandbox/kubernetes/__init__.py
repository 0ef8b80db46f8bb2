"""A Kubernetes API server in one process, as far as Velero and the bot use it.

Belongs here: storage with the API server's semantics (`objects`), its HTTP server (`server`), its faults (`faults`).
Does not belong here: Velero's controllers; nothing here knows the meaning of a backup.
May import: the standard library and aiohttp.
"""
