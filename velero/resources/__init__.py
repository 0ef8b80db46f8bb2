"""One module per kind of Velero's API group: parses objects into values.

Belongs here: what the fields of a kind mean. Does not belong here: how objects are fetched (velero.gateway).
May import: velero.gateway, velero.fields, velero.kinds, velero.names, domain.
"""
