"""Velero's resources as Python values.

Belongs here: the one caller of the Kubernetes API, a gateway per kind, the reflector, downloads, cron, Velero's names.
Does not belong here: permissions of people, messages, stored records.
May import: domain; kubernetes (connection.py only, when a cluster is used), aiohttp, croniter; yaml for kubeconfigs.
"""
