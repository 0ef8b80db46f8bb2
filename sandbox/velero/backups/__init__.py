"""How the emulated Velero server runs backups: queue, preparation, the run, volumes, finalizing.

Belongs here: what a real server does between New and the last phase of a backup.
"""
