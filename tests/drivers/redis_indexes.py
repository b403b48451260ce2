"""Every index of a Redis store made anew from its rows, by another hand than the scripts'."""

from collections import Counter

BIAS = 10**19
NAMED = {"names", "records", "schema", "seq"}


def stored(client, prefix):
    """What is in the server: name -> members of a sorted set, or a hash. Not the rows."""
    base = f"{{{prefix}}}:"
    names = [key[len(base) :] for key in client.scan_iter(match=f"{base}*", count=1_000)]
    names = [name for name in names if not name.startswith(("job:", "call:"))]
    names = [name for name in names if name not in NAMED]
    kinds = _at_once(client, [("type", base + name) for name in names])
    assert set(kinds) <= {"zset", "hash"}
    reads = {"zset": ("zrange", 0, -1, False, True), "hash": ("hgetall",)}
    found = _at_once(
        client,
        [
            (reads[kind][0], base + name, *reads[kind][1:])
            for name, kind in zip(names, kinds, strict=True)
        ],
    )
    return {name: _members(value) for name, value in zip(names, found, strict=True)}


def _members(found):
    if isinstance(found, dict):
        return found
    assert all(score == 0 for _, score in found)
    return {member for member, _ in found}


def _at_once(client, commands):
    with client.pipeline(transaction=False) as pipe:
        for verb, *arguments in commands:
            getattr(pipe, verb)(*arguments)
        return pipe.execute()


def rows(client, prefix):
    """The rows, as hashes."""
    keys = client.scan_iter(match=f"{{{prefix}}}:job:*", count=1_000)
    return _at_once(client, [("hgetall", key) for key in keys])


def rebuilt(rows):
    """What must be in the server, for these rows."""
    sets, keys, tallies = {}, {}, Counter()

    def add(name, member):
        sets.setdefault(name, set()).add(member)

    for row in rows:
        tail = f"{int(row['seq']):016d}{row['id']}"
        letters = ""
        add("all", tail)
        add(f"state:{row['state']}", tail)
        if "due_at" in row and "ripe" in row:
            letters += "r"
            add("ready", f"{2**31 - int(row['priority']):010d}{tail}")
            add(f"ready:{row['queue']}", f"{2**31 - int(row['priority']):010d}{tail}")
        elif "due_at" in row:
            letters += "w"
            assert int(row["due_at"]) > BIAS
            add("waiting", row["due_at"] + tail)
        if "due_at" in row and "expires_at" in row:
            letters += "e"
            add("expiring", row["expires_at"] + tail)
        if row["state"] == "processing" and "lease_until" in row:
            letters += "p"
            add("running", row["lease_until"] + tail)
        if "purge_at" in row:
            letters += "l"
            add("leaving", row["purge_at"] + tail)
        elif "finished_at" in row:
            letters += "f"
            add(f"finished:{row['state']}", row["finished_at"] + tail)
        if "unique_key" in row and row["key_held"] != "0":
            letters += "k"
            assert row["unique_key"] not in keys
            keys[row["unique_key"]] = row["id"]
        sizes = " ".join(str(len(row[column].encode())) for column in ("state", "queue"))
        tallies[f"{letters} {sizes} {row['state']}{row['queue']}{row['method']}"] += 1
    named = {"keys": keys, "tallies": {tally: str(n) for tally, n in tallies.items()}}
    return sets | {name: value for name, value in named.items() if value}


def check(client, prefix):
    """The indexes are what the rows make of them, no more and no less."""
    assert stored(client, prefix) == rebuilt(rows(client, prefix))
