"""Files that Velero stores beside a backup or restore, downloaded and read without trust.

Belongs here: downloads, bounded unpacking, and one reader per kind of file.
Does not belong here: what the contents mean for a plan.
May import: velero, domain.
"""
