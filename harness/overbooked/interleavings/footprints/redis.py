"""Footprints of Redis commands: their keys without ids, so that they are the same in every run."""

from __future__ import annotations

from overbooked.interleavings.footprints.resources import EVERYTHING, NOTHING, Footprint, touching
from overbooked.wire.gate.boundary import Boundary
from overbooked.wire.gate.ids import without_ids
from overbooked.wire.redis.shape import key_places


def _names(line: str) -> frozenset[str]:
    return frozenset(line.split())


_READ = _names(
    "GET MGET STRLEN EXISTS TTL PTTL EXPIRETIME PEXPIRETIME TYPE GETRANGE GETBIT BITCOUNT HGET HMGET "
    "HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN LRANGE LLEN LINDEX LPOS SMEMBERS SISMEMBER SMISMEMBER "
    "SCARD SRANDMEMBER ZRANGE ZRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZSCORE ZMSCORE ZCARD ZCOUNT "
    "ZRANK ZREVRANK XLEN XRANGE XREVRANGE SINTER SUNION SDIFF WATCH PFCOUNT"
)
_WRITE = _names(
    "SET SETEX PSETEX SETNX GETSET GETDEL GETEX APPEND INCR INCRBY INCRBYFLOAT DECR DECRBY DEL UNLINK "
    "EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST MSET MSETNX SETRANGE SETBIT HSET HSETNX HMSET HDEL "
    "HINCRBY HINCRBYFLOAT LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LREM LSET LTRIM LINSERT SADD SREM SPOP "
    "SMOVE ZADD ZREM ZINCRBY ZPOPMIN ZPOPMAX ZREMRANGEBYSCORE ZREMRANGEBYRANK XADD XDEL XTRIM XACK "
    "RENAME RENAMENX RPOPLPUSH LMOVE BLPOP BRPOP BLMOVE BRPOPLPUSH BZPOPMIN BZPOPMAX PFADD PFMERGE "
    "SINTERSTORE SUNIONSTORE SDIFFSTORE EVAL EVALSHA FCALL PUBLISH SPUBLISH SUBSCRIBE UNSUBSCRIBE "
    "XREADGROUP"
)
_NONE = _names("PING ECHO MULTI DISCARD UNWATCH TIME HELLO AUTH CLIENT COMMAND SCRIPT SELECT")


def redis_footprint(boundary: Boundary) -> Footprint:
    """Return the footprint of a command: EVAL touches its declared keys, an unknown command everything."""
    words = (boundary.verb.split(" ", maxsplit=1)[0], *(value or "" for value in boundary.values))
    name = words[0].upper()
    if name == "SCRIPT" and "FLUSH" in (word.upper() for word in words[1:2]):
        return EVERYTHING
    if name in _NONE:
        return NOTHING
    places = key_places(words)
    if not places or not (name in _READ or name in _WRITE):
        return EVERYTHING
    keys = [f"redis:{without_ids(words[place])}" for place in places]
    return touching(reads=keys) if name in _READ else touching(writes=keys)
