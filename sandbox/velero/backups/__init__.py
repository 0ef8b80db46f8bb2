"""How the emulated Velero server runs backups: queue, preparation, the run, volumes, finalizing.

Belongs here: the behaviour of a real server between New and the last phase of a backup.
"""
