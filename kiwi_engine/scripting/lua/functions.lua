-- Libraries of functions: the world that they are loaded in, and what they register there.
--
-- A library is run once, when it is loaded, in globals that hold nothing but a small `redis`. It is
-- then staged: its functions can be run only once it is adopted. All libraries share one table of
-- globals; what it shows is what scripts have, but while a library is loaded.

local host, inside = ...

local error, getmetatable, next, pcall, rawget = error, getmetatable, next, pcall, rawget
local select, setfenv, setmetatable = select, setfenv, setmetatable
local tostring, type, unpack = tostring, type, unpack
local concat, lower, match = table.concat, string.lower, string.match
local base, behind = inside.base, inside.behind
local functions, protect = inside.functions, inside.protect

local FLAGS = {
  ["no-writes"] = true, ["allow-oom"] = true, ["allow-stale"] = true, ["no-cluster"] = true,
  ["allow-cross-slot-keys"] = true,
}

-- What was registered while a library was loaded: callbacks by name, and what to tell of them.
-- Outside of that, nothing.
local loading

-- Callbacks of the libraries that are loaded but not yet adopted: by library and name.
local staged = {}

local function fail(text)
  error({ err = "ERR " .. text }, 0)
end

-- A text, or the text of a number; nothing for what is neither.
local function text_of(value)
  local kind = type(value)
  return kind == "string" and value or kind == "number" and tostring(value) or nil
end

-- The flags in a table, with a comma behind each; nothing if one is unknown.
local function read_flags(flags)
  local parts, index = {}, 1
  while flags[index] ~= nil do
    local flag = text_of(flags[index])
    if not flag or not FLAGS[lower(flag)] then
      return nil
    end
    parts[index] = lower(flag) .. ","
    index = index + 1
  end
  return concat(parts)
end

-- What reads each named argument, and what is said if it cannot.
local NAMED = {
  function_name = {
    text_of,
    "function_name argument given to redis.register_function must be a string",
  },
  description = {
    text_of,
    "description argument given to redis.register_function must be a string",
  },
  callback = {
    function(value)
      return type(value) == "function" and value or nil
    end,
    "callback argument given to redis.register_function must be a function",
  },
  flags = { read_flags, "unknown flag given" },
}

local function read_named(given)
  if type(given) ~= "table" then
    fail(
      "calling redis.register_function with a single argument is only applicable to Lua table"
        .. " (representing named arguments)."
    )
  end
  local found = {}
  for key, value in next, given do
    local name = text_of(key)
    if not name then
      fail("named argument key given to redis.register_function is not a string")
    end
    local reading = NAMED[lower(name)]
    if not reading then
      fail("unknown argument given to redis.register_function")
    elseif reading == NAMED.flags and type(value) ~= "table" then
      fail("flags argument to redis.register_function must be a table representing function flags")
    end
    local read = reading[1](value)
    if read == nil then
      fail(reading[2])
    end
    found[lower(name)] = read
  end
  if not found.function_name then
    fail("redis.register_function must get a function name argument")
  elseif not found.callback then
    fail("redis.register_function must get a callback argument")
  end
  return found
end

local function read_positional(name, callback)
  local text = text_of(name)
  if not text then
    fail("first argument to redis.register_function must be a string")
  elseif type(callback) ~= "function" then
    fail("second argument to redis.register_function must be a function")
  end
  return { function_name = text, callback = callback }
end

local function register(...)
  if not loading then
    fail("redis.register_function can only be called on FUNCTION LOAD command")
  end
  local count = select("#", ...)
  if count < 1 or count > 2 then
    fail("wrong number of arguments to redis.register_function")
  end
  local found = count == 1 and read_named((...)) or read_positional(...)
  local name = found.function_name
  if not match(name, "^[%w_]+$") then
    fail(host.bad_name())
  elseif loading.callbacks[name] then
    fail("Function already exists in the library")
  end
  loading.callbacks[name] = found.callback
  local told = loading.told
  told[#told + 1] = { name, found.description, found.flags or "" }
end

local function absent(_, name)
  local shown = match(tostring(name), "^%Z*")
  error("Script attempted to access nonexistent global variable '" .. shown .. "'", 2)
end

local small_redis = setmetatable({ register_function = register }, { __index = absent })
for _, name in next, {
  "log", "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING", "REDIS_VERSION",
  "REDIS_VERSION_NUM",
} do
  small_redis[name] = inside.redis[name]
end

-- The globals of all libraries, and what they are while one is loaded.
local library_globals = protect(base)
local small_globals = setmetatable({ redis = protect(small_redis) }, { __index = absent })
local globals_metatable = getmetatable(library_globals)

local function show(globals)
  globals_metatable.__index = globals
  behind[library_globals] = globals
end

-- Why loading failed, as a text that begins with a code.
local function reason(problem)
  if type(problem) == "table" then
    return text_of(rawget(problem, "err")) or "(null)"
  end
  return "ERR " .. (text_of(problem) or "")
end

-- What was registered, as an array in RESP: name, description and flags of each. The description
-- has a letter in front, or is empty if there is none.
local function told_words(told)
  local parts = { "*" .. 3 * #told .. "\r\n" }
  for index = 1, #told do
    local name, description, flags = unpack(told[index], 1, 3)
    local words = { name, description and "d" .. description or "", flags }
    for at = 1, #words do
      parts[#parts + 1] = "$" .. #words[at] .. "\r\n" .. words[at] .. "\r\n"
    end
  end
  return concat(parts)
end

-- Runs a library: true and what it registered; or false, why not, and whether it does not compile.
local function stage(library, code)
  local compiled, problem = inside.compile(code, "@user_function")
  if not compiled then
    return false, problem, true
  end
  setfenv(compiled, library_globals)
  loading = { callbacks = {}, told = {} }
  show(small_globals)
  local is_done, raised = pcall(compiled)
  show(base)
  inside.give_new_life()
  local found = loading
  loading = nil
  if not is_done then
    return false, reason(raised), false
  end
  staged[library] = found.callbacks
  return true, told_words(found.told), false
end

return {
  stage = stage,
  -- The functions of a staged library can be run from now on.
  adopt = function(library)
    for name, callback in next, staged[library] do
      functions[name] = callback
    end
    staged[library] = nil
  end,
  -- Forget what was staged and not adopted.
  clear = function()
    staged = {}
  end,
}
