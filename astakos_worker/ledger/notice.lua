-- Notice whether acknowledged writes of a lane are gone. Returns {now, writes}.

return {NOW, notice(ARGV[1], tonumber(redis.call('GET', P .. 'writes') or 0))}
