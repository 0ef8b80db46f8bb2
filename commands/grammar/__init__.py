"""From text to a typed command and back.

Belongs here: the tokenizer, flag types, the parser, selectors, near words, the declaration of a verb, formatting a command.
Does not belong here: a verb's needs, plan and answer.
May import: domain; velero for names only.
"""
