"""What a restore would change: the backup's contents compared with the live cluster.

Belongs here: reading the archive, indexing live objects, applying modifiers, comparing, volume claims, the preview.
Does not belong here: writing to a cluster, deciding who may restore.
May import: commands, policy, velero, domain.
"""
