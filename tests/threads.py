"""Another thread than the main one, to which signals and their exceptions come."""

from concurrent.futures import ThreadPoolExecutor


def in_a_thread(call):
    """What it returns; what it raises is raised."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()
