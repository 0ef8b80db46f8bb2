"""From text to a typed command and back.

Belongs here: the tokenizer, flag types, the parser, selectors, near words, the declaration of a verb, formatting a command.
Does not belong here: what a verb needs, plans or answers.
May import: domain; velero for names only.
"""
