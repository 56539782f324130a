/*
 * Scripts for Redis; see ls_store_script.h.
 */

#include "ls_store_script.h"


/*
 * Whole numbers of up to 64 bits are compared as decimal text: a number of
 * Lua holds 53 bits.
 */
#define LESS                                                                  \
    "local function less(a, b)"                                               \
    " return #a < #b or (#a == #b and a < b) "                                \
    "end\n"

#define NOW                                                                   \
    "local t = redis.call('TIME')\n"                                          \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"                     \
    "local function ms(n) return string.format('%.0f', n) end\n"

/* goim:server:<server>, a field for each slot */
#define SLOT                                                                  \
    "local function slot_read(h, slot)\n"                                     \
    "  local v = redis.call('HGET', h, slot)\n"                               \
    "  if v then\n"                                                           \
    "    return v:match('^(%d+) (%a) (%d+) (%d+) (%d+) (.*)$')\n"             \
    "  end\n"                                                                 \
    "end\n"                                                                   \
    "local function slot_write(h, slot, e, st, n, seen, began, gen)\n"        \
    "  redis.call('HSET', h, slot, table.concat("                             \
    "{e, st, n, seen, began, gen}, ' '))\n"                                   \
    "end\n"                                                                   \
    "local function olds(h, slot)\n"                                          \
    "  local list = {}\n"                                                     \
    "  local v = redis.call('HGET', h, slot .. ':old')\n"                     \
    "  if v then\n"                                                           \
    "    for e in v:gmatch('%d+') do list[#list + 1] = e end\n"               \
    "  end\n"                                                                 \
    "  return list\n"                                                         \
    "end\n"

/* ends an epoch: its counts at once, its sessions later (a day at most) */
#define KILL                                                                  \
    "local function kill(id)\n"                                               \
    "  redis.call('SADD', 'goim:dead', id)\n"                                 \
    "  redis.call('UNLINK', 'goim:rooms:' .. id)\n"                           \
    "  redis.call('PEXPIRE', 'goim:sessions:' .. id, 86400000)\n"             \
    "end\n"

/* sessions of a slot: <mid> <length of addr> <addr><key> */
#define SESSION                                                               \
    "local function addr_of(v)\n"                                             \
    "  local n, rest = v:match('^%-?%d+ (%d+) (.*)$')\n"                      \
    "  return n and rest:sub(1, tonumber(n)) or ''\n"                         \
    "end\n"                                                                   \
    "local function addr_less(addrs, a)\n"                                    \
    "  if a ~= '' and redis.call('HINCRBY', addrs, a, -1) <= 0 then\n"        \
    "    redis.call('HDEL', addrs, a)\n"                                      \
    "  end\n"                                                                 \
    "end\n"


/* clang-format off */

/* goim:key:<key>: <when> <epoch> <mid> <length of conn> <conn><server> */
const char  ls_store_script_keys[] =
    LESS
    "local server, epoch, ttl = ARGV[1], ARGV[2], ARGV[3]\n"
    "local out = {}\n"
    "for i = 4, #ARGV, 5 do\n"
    "  local op, key, conn = ARGV[i], ARGV[i + 1], ARGV[i + 2]\n"
    "  local mid, when = ARGV[i + 3], ARGV[i + 4]\n"
    "  local k, g = 'key_' .. key, 'goim:key:' .. key\n"
    "  local v = redis.call('MGET', k, g)\n"
    "  local at = v[1]\n"
    "  local hw, he, hm, hc\n"

    /* who stands for the key, unless another than us has written since */
    "  if at and v[2] then\n"
    "    local w, e, m, n, rest = v[2]:match("
    "'^(%d+) (%d+) (%-?%d+) (%d+) (.*)$')\n"
    "    if w and rest:sub(n + 1) == at then\n"
    "      hw, he, hm, hc = w, e, m, rest:sub(1, tonumber(n))\n"
    "    end\n"
    "  end\n"

    "  local code, a, b, c = '-', '', '', '0'\n"
    "  if op == 'd' or op == 'x' then\n"
    "    if hc == conn and (op == 'd' or not less(epoch, he)) then\n"
    "      redis.call('DEL', k, g)\n"
    "    elseif v[2] and not hc then\n"
    "      redis.call('DEL', g)\n"
    "    end\n"

    "  elseif hc and hc ~= conn and (op == 'c' and less(when, hw)"
    " or op == 'r' and hw ~= '0') then\n"
    "    code, a = '<', hc\n"

    "  elseif at and not hc and op == 'r' and at ~= server then\n"
    "    code = '<'\n"

    "  else\n"
    "    local e = epoch\n"
    "    code, c = '+', when\n"
    "    if hc == conn then\n"
    "      code = '='\n"
    "      if op == 'r' then c = hw end\n"
    "      if less(e, he) then e = he end\n"
    "    elseif at and (op == 'c' or hc) then\n"
    "      code, a, b, c = '>', hc or '', at, hm or '0'\n"
    "    end\n"
    "    if not (code == '=' and epoch == '0' and he ~= '0') then\n"
    "      redis.call('SET', k, server, 'PX', ttl)\n"
    "      redis.call('SET', g, (code == '=' and c or when) .. ' ' .. e"
    " .. ' ' .. mid .. ' ' .. #conn .. ' ' .. conn .. server, 'PX', ttl)\n"
    "    end\n"
    "  end\n"

    "  local o = #out\n"
    "  out[o + 1], out[o + 2], out[o + 3], out[o + 4] = code, a, b, c\n"
    "end\n"
    "return out\n";


/* goim:mid:<mid>, a field for each key: <when> <epoch> <until> <conn> */
const char  ls_store_script_mids[] =
    LESS NOW
    "local server, epoch, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])\n"
    "for i = 4, #ARGV, 5 do\n"
    "  local op, key, conn = ARGV[i], ARGV[i + 1], ARGV[i + 2]\n"
    "  local mid, when = ARGV[i + 3], ARGV[i + 4]\n"
    "  local m, g = 'mid_' .. mid, 'goim:mid:' .. mid\n"
    "  local v = redis.call('HGET', g, key)\n"
    "  local hw, he, hu, hc\n"
    "  if v then\n"
    "    hw, he, hu, hc = v:match('^(%d+) (%d+) (%d+) (.*)$')\n"
    "  end\n"

    "  if op ~= 's' then\n"
    "    if hc == conn and (op == 'd' or not less(epoch, he)) then\n"
    "      redis.call('HDEL', m, key)\n"
    "      redis.call('HDEL', g, key)\n"
    "    end\n"

    "  elseif hc == conn and epoch == '0' and he ~= '0' then\n"

    "  elseif hc and hc ~= conn and tonumber(hu) > now"
    " and less(when, hw) then\n"

    "  else\n"
    "    local e = epoch\n"
    "    if hc == conn and less(e, he) then e = he end\n"
    "    redis.call('HSET', m, key, server)\n"
    "    redis.call('HSET', g, key, when .. ' ' .. e .. ' '"
    " .. ms(now + ttl) .. ' ' .. conn)\n"
    "    if redis.call('PTTL', m) < ttl then\n"
    "      redis.call('PEXPIRE', m, ttl)\n"
    "    end\n"
    "    if redis.call('PTTL', g) < ttl then\n"
    "      redis.call('PEXPIRE', g, ttl)\n"
    "    end\n"

    /* fields have no time of their own: a few are looked at each time */
    "    if redis.call('HLEN', g) > 1 then\n"
    "      local some = redis.call('HSCAN', g, t[2], 'COUNT', 4)[2]\n"
    "      for j = 1, #some, 2 do\n"
    "        local u = some[j + 1]:match('^%d+ %d+ (%d+) ')\n"
    "        if u and tonumber(u) <= now then\n"
    "          redis.call('HDEL', m, some[j])\n"
    "          redis.call('HDEL', g, some[j])\n"
    "        end\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return redis.status_reply('OK')\n";


const char  ls_store_script_find_mids[] =
    NOW
    "local out = {}\n"
    "for i = 1, #ARGV do\n"
    "  local all = redis.call('HGETALL', 'mid_' .. ARGV[i])\n"
    "  local ours, found = {}, {}\n"
    "  if #all > 0 then\n"
    "    local g = redis.call('HGETALL', 'goim:mid:' .. ARGV[i])\n"
    "    for j = 1, #g, 2 do ours[g[j]] = g[j + 1] end\n"
    "  end\n"
    "  for j = 1, #all, 2 do\n"
    "    local v = ours[all[j]]\n"
    "    local u = v and v:match('^%d+ %d+ (%d+) ')\n"
    "    if not u or tonumber(u) > now then\n"
    "      found[#found + 1] = all[j]\n"
    "      found[#found + 1] = all[j + 1]\n"
    "    end\n"
    "  end\n"
    "  out[i] = found\n"
    "end\n"
    "return out\n";


/*
 * goim:server:<server>: <epoch> <state> <conns> <seen> <began> <generation>;
 * states: p partial, c complete, l last, s silent.
 */
const char  ls_store_script_come[] =
    LESS NOW SLOT KILL SESSION
    "local server, slot, epoch, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]\n"
    "local conns, gen = ARGV[5], ARGV[6]\n"
    "local h, id = 'goim:server:' .. server,"
    " slot .. ':' .. epoch .. ':' .. server\n"
    "local e, st, n, seen, began, g = slot_read(h, slot)\n"
    "if e and (less(epoch, e) or (e == epoch and st == 'l')) then\n"
    "  return {0, 0}\n"
    "end\n"

    "local again = 0\n"
    "if e ~= epoch then\n"
    "  if e and (st == 'p' or st == 'c') then\n"
    "    local list = olds(h, slot)\n"
    "    list[#list + 1] = e\n"
    "    if #list > 4 then\n"
    "      kill(slot .. ':' .. table.remove(list, 1) .. ':' .. server)\n"
    "    end\n"
    "    redis.call('HSET', h, slot .. ':old', table.concat(list, ' '))\n"
    "  end\n"
    "  st, began, g = 'p', ms(now), gen\n"
    "elseif st == 's' then\n"
    "  redis.call('SREM', 'goim:dead', id)\n"
    "  st, again = 'p', 1\n"
    "elseif g ~= gen and gen ~= '' and now - began >= 10000 then\n"
    "  again = 1\n"
    "end\n"
    "slot_write(h, slot, epoch, st, conns, ms(now), began, g)\n"
    "redis.call('SADD', 'goim:servers', server)\n"
    "redis.call('ZADD', 'goim:seen', ms(now), slot .. ':' .. server)\n"

    "local s, addrs = 'goim:sessions:' .. id, 'goim:addrs:' .. server\n"
    "for i = 7, #ARGV, 5 do\n"
    "  local op, conn, mid = ARGV[i], ARGV[i + 1], ARGV[i + 2]\n"
    "  local addr, key = ARGV[i + 3], ARGV[i + 4]\n"
    "  local old = redis.call('HGET', s, conn)\n"
    "  if op == 'c' or not old then\n"
    "    local v = mid .. ' ' .. #addr .. ' ' .. addr .. key\n"
    "    if v ~= old then\n"
    "      redis.call('HSET', s, conn, v)\n"
    "      if addr ~= '' then redis.call('HINCRBY', addrs, addr, 1) end\n"
    "      if old then addr_less(addrs, addr_of(old)) end\n"
    "    end\n"
    "  end\n"
    "end\n"
    "redis.call('PEXPIRE', h, ttl)\n"
    "redis.call('PEXPIRE', s, ttl)\n"
    "redis.call('PEXPIRE', addrs, ttl)\n"
    "return {1, again}\n";


const char  ls_store_script_tell[] =
    LESS NOW SLOT KILL SESSION
    "local server, slot, epoch, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]\n"
    "local conns, state = ARGV[5], ARGV[6]\n"
    "local h, id = 'goim:server:' .. server,"
    " slot .. ':' .. epoch .. ':' .. server\n"
    "local e, st, n, seen, began, g = slot_read(h, slot)\n"
    "if e ~= epoch or st == 'l' or st == 's' then return {0, 0, 0} end\n"

    "local s, addrs = 'goim:sessions:' .. id, 'goim:addrs:' .. server\n"
    "local r, list = 'goim:rooms:' .. id, olds(h, slot)\n"
    "for i = 7, #ARGV, 3 do\n"
    "  local name = ARGV[i + 1]\n"
    "  if ARGV[i] == 'd' then\n"
    "    local old = redis.call('HGET', s, name)\n"
    "    if old then\n"
    "      redis.call('HDEL', s, name)\n"
    "      addr_less(addrs, addr_of(old))\n"
    "    end\n"
    "  else\n"

    /* a room counts in one epoch only */
    "    for j = 1, #list do\n"
    "      redis.call('HDEL', 'goim:rooms:' .. slot .. ':' .. list[j]"
    " .. ':' .. server, name)\n"
    "    end\n"
    "    if ARGV[i + 2] == '0' then\n"
    "      redis.call('HDEL', r, name)\n"
    "    else\n"
    "      redis.call('HSET', r, name, ARGV[i + 2])\n"
    "    end\n"
    "  end\n"
    "end\n"
    "redis.call('PEXPIRE', r, ttl)\n"
    "if state == '' then return {1, 0, 0} end\n"

    "local first = state == 'c' and st ~= 'c'\n"
    "if state ~= 'p' then\n"
    "  for j = 1, #list do\n"
    "    kill(slot .. ':' .. list[j] .. ':' .. server)\n"
    "  end\n"
    "  redis.call('HDEL', h, slot .. ':old')\n"
    "end\n"
    "if state == 'l' then kill(id) end\n"
    "slot_write(h, slot, epoch, state, conns, ms(now), began, g)\n"
    "return {1, first and 1 or 0, redis.call('HLEN', s)}\n";


const char  ls_store_script_silent[] =
    LESS NOW SLOT KILL
    "local list = redis.call('ZRANGEBYSCORE', 'goim:seen', '-inf',"
    " ARGV[1], 'LIMIT', 0, 16)\n"
    "for i = 1, #list do\n"
    "  local slot, server = list[i]:match('^(%d+):(.*)$')\n"
    "  local h = 'goim:server:' .. server\n"
    "  local e, st, n, seen, began, g = slot_read(h, slot)\n"
    "  if e and (st == 'p' or st == 'c') then\n"
    "    local old = olds(h, slot)\n"
    "    old[#old + 1] = e\n"
    "    for j = 1, #old do\n"
    "      kill(slot .. ':' .. old[j] .. ':' .. server)\n"
    "    end\n"
    "    redis.call('HDEL', h, slot .. ':old')\n"
    "    slot_write(h, slot, e, 's', '0', seen, began, g)\n"
    "    redis.call('ZADD', 'goim:seen', ms(now + ARGV[2]), list[i])\n"
    "  else\n"
    "    redis.call('HDEL', h, slot)\n"
    "    redis.call('ZREM', 'goim:seen', list[i])\n"
    "    if redis.call('EXISTS', h) == 0 then\n"
    "      redis.call('SREM', 'goim:servers', server)\n"
    "      redis.call('UNLINK', 'goim:addrs:' .. server)\n"
    "    end\n"
    "  end\n"

    /* goim's readers would believe it for five minutes */
    "  local live = false\n"
    "  for _, v in ipairs(redis.call('HVALS', h)) do\n"
    "    live = live or v:match('^%d+ [pc] ')\n"
    "  end\n"
    "  if not live then redis.call('UNLINK', 'ol_' .. server) end\n"
    "end\n"
    "return ms(now)\n";


const char  ls_store_script_forget[] =
    SESSION
    "local id = ARGV[1]\n"
    "if redis.call('SISMEMBER', 'goim:dead', id) == 1 then\n"
    "  local s = 'goim:sessions:' .. id\n"
    "  local addrs = 'goim:addrs:' .. id:match('^%d+:%d+:(.*)$')\n"
    "  for i = 2, #ARGV do\n"
    "    local old = redis.call('HGET', s, ARGV[i])\n"
    "    if old then\n"
    "      redis.call('HDEL', s, ARGV[i])\n"
    "      addr_less(addrs, addr_of(old))\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return redis.status_reply('OK')\n";


const char  ls_store_script_bury[] =
    "if redis.call('EXISTS', 'goim:sessions:' .. ARGV[1]) == 0 then\n"
    "  redis.call('SREM', 'goim:dead', ARGV[1])\n"
    "end\n"
    "return redis.status_reply('OK')\n";


const char  ls_store_script_online[] =
    NOW
    "local after = now - tonumber(ARGV[1])\n"
    "local out = {}\n"
    "for i = 2, #ARGV do\n"
    "  local server, conns, ids = ARGV[i], 0, {}\n"
    "  local all = redis.call('HGETALL', 'goim:server:' .. server)\n"
    "  local old = {}\n"
    "  for j = 1, #all, 2 do\n"
    "    local slot = all[j]:match('^(%d+):old$')\n"
    "    if slot then old[slot] = all[j + 1] end\n"
    "  end\n"
    "  for j = 1, #all, 2 do\n"
    "    local e, st, n, seen = all[j + 1]:match("
    "'^(%d+) (%a) (%d+) (%d+) ')\n"
    "    if e and (st == 'p' or st == 'c') and tonumber(seen) > after then\n"
    "      conns = conns + tonumber(n)\n"
    "      local list = e .. ' ' .. (old[all[j]] or '')\n"
    "      for one in list:gmatch('%d+') do\n"
    "        ids[#ids + 1] = all[j] .. ':' .. one .. ':' .. server\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "  local o = #out\n"
    "  out[o + 1] = server\n"
    "  out[o + 2] = redis.call('HLEN', 'goim:addrs:' .. server)\n"
    "  out[o + 3] = conns\n"
    "  out[o + 4] = ids\n"
    "end\n"
    "return out\n";


const char  ls_store_script_id[] =
    "local id = redis.call('GET', 'goim:store')\n"
    "if not id or ARGV[2] == id or ARGV[2] == '*' then\n"
    "  id = ARGV[1]\n"
    "  redis.call('SET', 'goim:store', id)\n"
    "end\n"
    "return id\n";

/* clang-format on */
