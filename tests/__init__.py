"""The suite; a package, so that ``tests.servers`` is ours and no other distribution's."""
