-- The ledger's own id: the one that it has, or the given one from now on. ARGV: a new id.
-- Returns {now, id}.

redis.call('SET', N .. 'id', ARGV[1], 'NX')
return {NOW, redis.call('GET', N .. 'id')}
