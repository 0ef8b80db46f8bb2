"""A Kubernetes API server in one process, as far as Velero and its watchers can tell.

Belongs here: storage with the API server's semantics (`objects`), its HTTP face (`server`), its faults (`faults`).
Does not: what controllers of Velero do; nothing here knows what a backup means.
May import: the standard library and aiohttp.
"""
