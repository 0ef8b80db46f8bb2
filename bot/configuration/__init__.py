"""Settings: one TOML file, secrets from the environment or from files, read again when the file changes.

Belongs here: the model of the settings, their values and errors, the settings currently in force.
Does not belong here: what a setting makes the product do.
May import: what bot may.
"""
