"""Where the parts of a local cluster run: which address each has, and how a program gets there."""


class Loopback:
    """All on 127.0.0.1, in the network that we are in ourselves."""

    # Whose connections PostgreSQL lets in, and the hosts that the password file speaks of.
    clients = "127.0.0.1/32"
    any_host = "127.0.0.1"
    # Other programs may use our ports.
    shared = True
    # The data folder, in the node's own.
    data_folder = "data"

    def address(self, name):
        """Of `monitor` or of a node."""
        return "127.0.0.1"

    def enter(self, name, account=None):
        """Words to be put before a command that is to run in the place of `monitor`, `clients` or a node: as the
        account if one is given. None are needed here."""
        return []
