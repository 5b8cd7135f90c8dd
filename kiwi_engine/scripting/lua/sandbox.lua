-- The world that scripts see: Lua 5.1 as Redis 7.2 offers it, and nothing else.
--
-- Scripts get an empty table as their globals, in front of the real ones. What is in front cannot
-- be written, what is behind cannot be reached, so nothing of one script is left for the next. The
-- globals of the interpreter itself are emptied: lupa looks for `debug.traceback` there before each
-- call, and must find nothing that a script could have put there.
--
-- This chunk, the first, makes the tables and says where errors happened. It returns what is inside
-- of the sandbox and never seen by scripts; the others are given it and add to it.

local error, next, pcall, rawget, rawset, select, setmetatable, tonumber, tostring, type =
  error, next, pcall, rawget, rawset, select, setmetatable, tonumber, tostring, type
local getinfo, getmetatable = debug.getinfo, getmetatable
local floor, match = math.floor, string.match

local READONLY = "Attempt to modify a readonly table"
local OURS = "=kiwi"

-- ---- errors: as if the functions here were C functions

-- Only our code has tail calls (see `compile`).
local function is_ours(info)
  return info.source == OURS or info.what == "tail"
end

-- Gives an error its place: that of the script's function which raised it, or which called what
-- raised it. Several frames of ours, and a C function they call, stand for one C function in Redis.
local function locate(problem)
  local level = 2
  local info = getinfo(level, "Sl")
  if info and (info.what == "C" or is_ours(info)) then
    repeat
      level = level + 1
      info = getinfo(level, "Sl")
    until not info or not is_ours(info)
  end
  if type(problem) ~= "table" then
    problem = { err = "ERR " .. tostring(problem) }
  end
  if info then
    problem.source = info.source
    problem.line = info.currentline
  end
  return problem
end

-- To be called by a function that the script called.
local function bad_argument(position, expected, ...)
  local got = select("#", ...) == 0 and "no value" or type((...))
  local name = getinfo(2, "n").name or "?"
  local text = "bad argument #" .. position .. " to '" .. name .. "' (" .. expected
  error(text .. " expected, got " .. got .. ")", 3)
end

-- ---- tables that cannot be written

-- What lies behind each table that scripts see and may not write.
local behind = {}

local function refuse_write()
  error(READONLY, 2)
end

local function protect(real)
  local front = setmetatable({}, { __index = real, __newindex = refuse_write })
  behind[front] = real
  return front
end

local base = {}
local environment = protect(base)
local absent = {
  __index = function(_, name)
    if type(name) ~= "string" and type(name) ~= "number" then
      error("Second argument to luaProtectedTableError must be a string or number", 2)
    end
    local shown = match(tostring(name), "^%Z*")
    error("Script attempted to access nonexistent global variable '" .. shown .. "'", 2)
  end,
}
setmetatable(base, absent)

-- What getmetatable answers for what has a metatable of ours.
local shown_metatables = {
  [environment] = protect({ __index = absent.__index }),
}

function base.getmetatable(...)
  if select("#", ...) == 0 then
    error("bad argument #1 to 'getmetatable' (value expected)", 2)
  end
  local value = ...
  if type(value) == "string" then
    return shown_metatables.string
  end
  if behind[value] ~= nil then
    return shown_metatables[value]
  end
  return getmetatable(value)
end

function base.setmetatable(...)
  local target, metatable = ...
  if type(target) ~= "table" then
    bad_argument(1, "table", ...)
  end
  if select("#", ...) < 2 or (metatable ~= nil and type(metatable) ~= "table") then
    error("bad argument #2 to 'setmetatable' (nil or table expected)", 2)
  end
  if behind[target] then
    error(READONLY, 0)
  end
  local ok, problem = pcall(setmetatable, target, metatable)
  if not ok then
    error(problem, 2)
  end
  return target
end

function base.rawset(...)
  local target, key, value = ...
  if type(target) ~= "table" then
    bad_argument(1, "table", ...)
  end
  if select("#", ...) < 3 then
    error("bad argument #" .. (select("#", ...) + 1) .. " to 'rawset' (value expected)", 2)
  end
  if behind[target] then
    error(READONLY, 0)
  end
  if key == nil then
    error("table index is nil", 0)
  elseif key ~= key then
    error("table index is NaN", 0)
  end
  return rawset(target, key, value)
end

function base.rawget(...)
  local target, key = ...
  if type(target) ~= "table" then
    bad_argument(1, "table", ...)
  end
  if select("#", ...) < 2 then
    error("bad argument #2 to 'rawget' (value expected)", 2)
  end
  return rawget(behind[target] or target, key)
end

local function next_of(...)
  local target, key = ...
  if type(target) ~= "table" then
    bad_argument(1, "table", ...)
  end
  local ok, found, value = pcall(next, behind[target] or target, key)
  if not ok then
    error(found, 0)
  end
  return found, value
end
base.next = next_of

function base.pairs(...)
  local target = ...
  if type(target) ~= "table" then
    bad_argument(1, "table", ...)
  end
  return behind[target] and next_of or next, target, nil
end

local function add(...)
  local target, position, value = ...
  local count = select("#", ...)
  if type(target) ~= "table" then
    bad_argument(1, "table", ...)
  end
  if count < 2 or count > 3 then
    error("wrong number of arguments to 'insert'", 2)
  end
  if behind[target] then
    error(READONLY, 0)
  end
  local last = #target
  if count == 2 then
    rawset(target, last + 1, position)
    return
  end
  local place = tonumber(position)
  if not place then
    bad_argument(2, "number", position)
  end
  -- As C makes an int of it.
  place = place < 0 and -floor(-place) or floor(place)
  for at = last + 1, place + 1, -1 do
    rawset(target, at, rawget(target, at - 1))
  end
  rawset(target, place, value)
end

return {
  add = add,
  bad_argument = bad_argument,
  base = base,
  behind = behind,
  environment = environment,
  getinfo = getinfo,
  is_ours = is_ours,
  locate = locate,
  offer = function(name, library)
    base[name] = protect(library)
  end,
  protect = protect,
  setfenv = setfenv,
  shown_metatables = shown_metatables,
}
