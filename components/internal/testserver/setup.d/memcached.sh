install memcached memcached memcached
