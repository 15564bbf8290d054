-- The ledger's own id: the one that it has, or the given one from now on. ARGV: a new id.
-- Returns {now, id}. The namespace is noted among all namespaces of the server, for operators; a
-- user that may not write that key is no error.

redis.call('SET', N .. 'id', ARGV[1], 'NX')
redis.pcall('SADD', 'astakos:namespaces', string.match(N, '^astakos:(.*):$'))
return {NOW, redis.call('GET', N .. 'id')}
