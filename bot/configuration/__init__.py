"""Settings: one TOML file, secrets from the environment or from files, read again when the file changes.

Belongs here: the model of the settings, their values and errors, and the settings in force.
Does not belong here: the behaviour that a setting controls.
May import: the same as bot.
"""
