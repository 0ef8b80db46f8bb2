"""Files that Velero stores with a backup or restore: downloads them and reads them without trust.

Belongs here: downloads, bounded unpacking, and one reader per kind of file.
Does not belong here: the meaning of the contents for a plan.
May import: velero, domain.
"""
