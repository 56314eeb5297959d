package redis

import "github.com/redis/go-redis/v9"

// argsPerOp is how many arguments the script takes for each key.
const argsPerOp = 5

// script does operations in order or none of them. For each key it takes: what (set or delete), the condition
// (always, absent or match), the etag, the value, and the time to live in milliseconds (0 for ever). It gives 0, or
// the number of the first operation whose condition does not hold.
//
// The first pass writes nothing: it follows in `versions` what the operations before would have made of a key. The
// version of a key that an earlier operation has yet to make is not known, so no etag matches it.
var script = redis.NewScript(`
local versions = {}
local function version(key)
  if versions[key] == nil then
    versions[key] = redis.call('HGET', key, 'version')
    if not versions[key] and redis.call('EXISTS', key) == 1 then versions[key] = 'none' end
  end
  return versions[key]
end
for i, key in ipairs(KEYS) do
  local a = (i - 1) * 5
  local what, cond, etag = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  if cond ~= 'always' then
    local current = version(key)
    if cond == 'absent' and current then return i end
    if cond == 'match' and current ~= etag then return i end
  end
  if what == 'set' then versions[key] = 'written' else versions[key] = false end
end
local start = nil
for i, key in ipairs(KEYS) do
  local a = (i - 1) * 5
  if ARGV[a + 1] == 'delete' then
    redis.call('DEL', key)
  else
    if redis.call('HEXISTS', key, 'version') == 0 then
      if not start then
        local now = redis.call('TIME')
        start = now[1] .. string.format('%06d', now[2])
      end
      redis.call('HSET', key, 'data', ARGV[a + 4], 'version', start)
    else
      redis.call('HSET', key, 'data', ARGV[a + 4])
    end
    redis.call('HINCRBY', key, 'version', 1)
    if ARGV[a + 5] == '0' then
      redis.call('PERSIST', key)
    else
      redis.call('PEXPIRE', key, ARGV[a + 5])
    end
  end
end
return 0
`)
