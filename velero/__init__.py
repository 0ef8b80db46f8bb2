"""Velero's resources as Python values.

Belongs here: the one caller of the Kubernetes API, a gateway per kind, the reflector, downloads, cron, Velero's names.
Does not: who may do what, what is said about it, what is remembered.
May import: domain; kubernetes (connection.py only, when a cluster is used), aiohttp, croniter; yaml for kubeconfigs.
"""
