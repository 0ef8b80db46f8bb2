"""How the emulated Velero server runs restores: checks, the archive, modifiers, placing objects.

Belongs here: the behaviour of a real server between New and the last phase of a restore.
"""
