"""How the emulated Velero server runs restores: checks, the archive, modifiers, placing objects.

Belongs here: what a real server does between New and the last phase of a restore.
"""
