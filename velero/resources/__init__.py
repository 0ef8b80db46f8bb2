"""One module per kind of Velero's API group: parses objects into values.

Belongs here: the meaning of a kind's fields. Does not belong here: fetching objects (velero.gateway).
May import: velero.gateway, velero.fields, velero.kinds, velero.names, domain.
"""
