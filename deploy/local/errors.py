"""What goes wrong for the user of this package: one message that says what, where, and what to do."""


class LocalError(Exception):
    pass
