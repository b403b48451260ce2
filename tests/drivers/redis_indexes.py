"""Every index of a Redis store made anew from its rows, by another hand than the scripts'."""

import json
from collections import Counter

from qml.seam.rows import Row

BIAS = 10**19
NAMED = {"names", "records", "schema", "seq"}
HINTS = ("lanes", "open", "closed", "shut", "freed", "paces", "tallies")
"""What no rows make."""


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


COLUMNS = (*Row._fields[: Row._fields.index("detail")], "ripe", "shares")


def columns(stored):
    """The columns of a row that are not empty, by name; of its hash."""
    values = json.loads(stored["row"])
    return {name: value for name, value in zip(COLUMNS, values, strict=True) if value is not False}


def rows(client, prefix):
    """The rows, without their texts."""
    keys = client.scan_iter(match=f"{{{prefix}}}:job:*", count=1_000)
    return [columns(stored) for stored in _at_once(client, [("hgetall", key) for key in keys])]


def change(client, key, column, value):
    """Change a column of a stored row by hand; False = it is empty."""
    values = json.loads(client.hget(key, "row"))
    values[COLUMNS.index(column)] = value
    client.hset(key, "row", json.dumps(values, separators=(",", ":"), ensure_ascii=False))


def _grouped(name):
    return f"{len(name.encode())}:{name}"


def _in_lane(row):
    return row.get("lane", "").startswith("[")


def _counted(row):
    return [] if "finished_at" in row else json.loads(row.get("counts", "[]"))


def _shared(row):
    """Where a row is for what it has to do with others."""
    if {"permit", "lease_until"} <= {*row} and "locked_by" not in row:
        yield "permits", "m", _grouped(row["permit"]) + row["lease_until"]
    if "batch" in row:
        yield "batched", "b", _grouped(row["batch"]) + _grouped(row["state"])
    over = {"due_at", "finished_at"} & {*row} or row["state"] == "processing"
    if "awaits" in row and not over:
        yield "awaiting", "a", _grouped(row["awaits"])
    for tally in _counted(row):
        yield f"counting:{tally}", "", ""


def rebuilt(rows):
    """What must be in the server, for these rows; not the hints."""
    sets, keys, totals = {}, {}, Counter()

    def add(name, member):
        sets.setdefault(name, set()).add(member)

    for row in rows:
        tail = f"{int(row['seq']):016d}{row['id']}"
        letters = ""
        add("all", tail)
        add(f"state:{row['state']}", tail)
        add(f"of:{len(row['queue'].encode())} {row['queue']}{row['method']}", tail)
        if "due_at" in row and "ripe" in row and _in_lane(row):
            letters += "n"
            add("laned", _grouped(row["lane"]) + _place(row) + row["id"])
            add(f"laned:{row['queue']}", _place(row) + row["id"])
        elif "due_at" in row and "ripe" in row:
            letters += "r"
            add("ready", _place(row) + row["id"])
            add(f"ready:{row['queue']}", _place(row) + row["id"])
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
        for name, letter, member in _shared(row):
            letters += letter
            add(name, member + tail)
        assert ("shares" in row) == bool({*row} & {"lane", "permit", "batch", "counts", "awaits"})
        sizes = " ".join(str(len(row[column].encode())) for column in ("state", "queue"))
        totals[f"{letters} {sizes} {row['state']}{row['queue']}{row['method']}"] += 1
    named = {"keys": keys, "totals": {total: str(n) for total, n in totals.items()}}
    return sets | {name: value for name, value in named.items() if value}


def _place(row):
    return f"{2**31 - int(row['priority']):010d}{int(row['seq']):016d}"


def hints(rows, lanes):
    """The hints in sorted sets, of those in the hash; each lane with ready rows has one, and knows
    its best."""
    best = {}
    for row in rows:
        if {"due_at", "ripe"} <= {*row} and _in_lane(row):
            best[row["lane"]] = min(best.get(row["lane"], "9"), _place(row))
    assert {lane: hint[:26] for lane, hint in lanes.items()} == best
    sets = {"lanes": lanes, "open": set(), "closed": set(), "shut": set()}
    for lane, hint in lanes.items():
        queue, permit, *_ = json.loads(lane)
        if len(hint) == 26:
            sets["open"].add(_grouped(queue) + hint + lane)
            continue
        sets["closed"].add(hint[27:] + lane)
        if hint[26] == "s":
            sets["shut"].add(_grouped(permit) + hint[:26] + lane)
    return {name: found for name, found in sets.items() if found}


def check(client, prefix):
    """The indexes are what the rows make of them, no more and no less; and the hints agree."""
    there, found = stored(client, prefix), rows(client, prefix)
    told = {name: there.pop(name) for name in HINTS if name in there}
    assert there == rebuilt(found)
    for name in ("freed", "paces", "tallies"):
        told.pop(name, None)
    assert told == hints(found, told.get("lanes", {}))
