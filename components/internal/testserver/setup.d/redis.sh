install redis-server redis-server redis
