"""The preview of a restore: compares the backup's contents with the live cluster, and predicts what would change.

Belongs here: reading the archive, indexing live objects, applying modifiers, comparing, volume claims, the preview.
Does not belong here: writing to a cluster, deciding who may restore.
May import: commands, policy, velero, domain.
"""
