"""Names of hosts: which of them mean this machine alone, and which one a request asked for."""

import ipaddress


def is_loopback(name: str) -> bool:
    """Whether an address or a name means this machine, for whoever asks, whatever a resolver
    says."""
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def name_of(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
