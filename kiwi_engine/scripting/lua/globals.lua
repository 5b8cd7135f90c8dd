-- The globals of scripts: what is kept of Lua's own, and what is ours instead.

local python, inside, libraries = ...

local error, next, pcall, select, tonumber, tostring, type =
  error, next, pcall, select, tonumber, tostring, type
local dump, floor, getinfo = string.dump, math.floor, debug.getinfo
local all_globals = getfenv(0)
local bad_argument, base, is_ours, offer =
  inside.bad_argument, inside.base, inside.is_ours, inside.offer

-- ---- chance: the same numbers for a seed on each machine, those of Redis

local RANDOM_MAX = 2147483647
local random_numbers = {}

function random_numbers.random(...)
  local share = python.random() % RANDOM_MAX / RANDOM_MAX
  local count = select("#", ...)
  if count == 0 then
    return share
  elseif count > 2 then
    error("wrong number of arguments", 2)
  end
  local low, high = 1, nil
  for at = 1, count do
    local value = select(at, ...)
    local number = tonumber(value)
    if not number then
      bad_argument(at, "number", value)
    end
    number = number < 0 and -floor(-number) or floor(number)
    if at < count then
      low = number
    else
      high = number
    end
  end
  if low > high then
    error("bad argument #" .. count .. " to 'random' (interval is empty)", 2)
  end
  return floor(share * (high - low + 1)) + low
end

function random_numbers.randomseed(...)
  local seed = tonumber((...))
  if not seed then
    bad_argument(1, "number", ...)
  end
  python.seed(seed)
end

-- ---- the globals of scripts

local KEPT = {
  "assert", "error", "gcinfo", "ipairs", "rawequal", "select", "tonumber", "tostring", "type",
  "unpack", "xpcall", "_VERSION",
}
for _, name in next, KEPT do
  base[name] = all_globals[name]
end
base._G = inside.environment

-- Stopping it, or making it lazy, would outlive the script.
local COLLECTION = { collect = true, count = true, step = true }
local collect = collectgarbage
function base.collectgarbage(...)
  local option = ... or "collect"
  if COLLECTION[option] then
    return collect(option)
  elseif option == "stop" or option == "restart" or option == "setpause" or option == "setstepmul" then
    return 0
  end
  error("bad argument #1 to 'collectgarbage' (invalid option '" .. tostring(option) .. "')", 2)
end

local function copy(of, changes)
  local copied = {}
  for name, value in next, of do
    copied[name] = value
  end
  for name, value in next, changes do
    copied[name] = value
  end
  return copied
end

-- As if what is ours were no Lua code.
local function dump_of(...)
  local body = ...
  if type(body) ~= "function" then
    bad_argument(1, "function", ...)
  end
  local ok, dumped = pcall(dump, body)
  if not ok or is_ours(getinfo(body, "S")) then
    error("unable to dump given function", 2)
  end
  return dumped
end

local strings = copy(string, { dump = dump_of })
getmetatable("").__index = strings
offer("string", strings)
offer("math", copy(math, random_numbers))
offer("table", copy(table, { insert = inside.add }))
offer("coroutine", inside.coroutines)
offer("os", { clock = os.clock })
for name, library in next, libraries do
  offer(name, library)
end
inside.shown_metatables.string = inside.protect({ __index = base.string })

-- To be called when all of our code has been loaded: it looks nothing up there later on.
local function empty_globals()
  for name in next, copy(all_globals, {}) do
    all_globals[name] = nil
  end
end

inside.empty_globals = empty_globals
