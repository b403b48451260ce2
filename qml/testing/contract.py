"""stub."""


def check_storage(make): ...
