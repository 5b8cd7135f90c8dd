-- The table `redis` of scripts, and the way from Python into a script and back.

local python, inside, replies, versions = ...

local error, select, tonumber, tostring, type, unpack, xpcall =
  error, select, tonumber, tostring, type, unpack, xpcall
local concat, find, floor, format, match, sub =
  table.concat, string.find, math.floor, string.format, string.match, string.sub
local base, environment, locate = inside.base, inside.environment, inside.locate
local decode, encode = replies.decode, replies.encode

-- How the value that a script returns is to be encoded.
local reply = { resp3 = false, null = "$-1\r\n", script_resp = 2 }

-- ---- calling commands

-- Kinds of what Python answers, beside a value as it is: to be decoded, an error, an array.
local ENCODED, ERROR = 1, 2
-- Python gets up to so many words one by one.
local WORDS_MAX = 32
-- Up to here all integers are doubles.
local INTEGER_MAX = 2 ^ 53

local function is_word(value)
  local kind = type(value)
  return kind == "string" or kind == "number"
end

local function number_text(number)
  if number == floor(number) and number < INTEGER_MAX and number > -INTEGER_MAX then
    -- The sum has no negative zero.
    return format("%.0f", number + 0)
  end
  return inside.answered(python.format_double(number))
end

-- Many words as one array in RESP.
local function pack(words, count)
  local parts = { "*" .. count .. "\r\n" }
  for at = 1, count do
    local word = words[at]
    if type(word) == "number" then
      word = number_text(word)
    end
    parts[at + 1] = "$" .. #word .. "\r\n" .. word .. "\r\n"
  end
  return concat(parts)
end

local function failure(text)
  return { err = "ERR " .. text }
end

-- What the script is given for what Python answered. Nothing at all stands for OK.
local function receive(raises, value, kind, ...)
  if kind == nil then
    if value == nil then
      return { ok = "OK" }
    end
    return inside.answered(value)
  elseif kind == ENCODED then
    return (decode(value, 1))
  elseif kind == ERROR then
    local problem = { err = replies.error_text(value), ignore_error_stats_update = true }
    if raises then
      error(problem, 0)
    end
    return problem
  end
  return { ... }
end

local function call(raises, ...)
  local count = select("#", ...)
  local problem
  if count == 0 then
    problem = "Please specify at least one argument for this redis lib call"
  else
    local words = { ... }
    for at = 1, count do
      if not is_word(words[at]) then
        problem = "Lua redis lib command arguments must be strings or integers"
        break
      end
    end
    if problem == nil then
      if count > WORDS_MAX then
        return receive(raises, python.call_packed(pack(words, count)))
      end
      return receive(raises, python.call(...))
    end
  end
  if raises then
    error(failure(problem), 0)
  end
  return failure(problem)
end

local redis = {}

function redis.call(...)
  return call(true, ...)
end

function redis.pcall(...)
  return call(false, ...)
end

-- ---- small things

-- Text up to its first NUL, as C sees it.
local function c_text(text)
  return match(text, "^%Z*")
end

function redis.error_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return failure("wrong number or type of arguments")
  end
  text = c_text(text)
  if sub(text, 1, 1) == "-" then
    text = sub(text, 2)
  end
  local code, message = match(text, "^(.-) (.*)$")
  if not code then
    code, message = "ERR", text
  end
  return { err = code .. " " .. match(message, "^[\r\n]*(.-)[\r\n]*$") }
end

function redis.status_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return failure("wrong number or type of arguments")
  end
  return { ok = text }
end

function redis.sha1hex(...)
  if select("#", ...) ~= 1 then
    error(failure("wrong number of arguments"), 0)
  end
  local text = ...
  return inside.answered(python.sha1hex(is_word(text) and tostring(text) or ""))
end

function redis.log(...)
  local count = select("#", ...)
  if count < 2 then
    error(failure("redis.log() requires two arguments or more."), 0)
  end
  local level = tonumber((...))
  if not level then
    error(failure("First argument must be a number (log level)."), 0)
  end
  level = level < 0 and -floor(-level) or floor(level)
  if level < redis.LOG_DEBUG or level > redis.LOG_WARNING then
    error(failure("Invalid log level."), 0)
  end
  local parts = {}
  for at = 2, count do
    local part = select(at, ...)
    if is_word(part) then
      parts[#parts + 1] = tostring(part)
    end
  end
  python.log(level, concat(parts, " "))
end

function redis.setresp(...)
  if select("#", ...) ~= 1 then
    error(failure("redis.setresp() requires one argument."), 0)
  end
  local version = tonumber((...)) or 0
  version = floor(version)
  if version ~= 2 and version ~= 3 then
    error(failure("RESP version must be 2 or 3."), 0)
  end
  reply.script_resp = version
  python.set_resp(version)
end

redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING = 0, 1, 2, 3
redis.REPL_NONE, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_REPLICA, redis.REPL_ALL = 0, 1, 2, 2, 3

-- There is one log for everything, and all that a script changes is one record of it.
function redis.set_repl(...)
  if select("#", ...) ~= 1 then
    error(failure("redis.set_repl() requires one argument."), 0)
  end
  local flags = floor(tonumber((...)) or 0)
  if flags < redis.REPL_NONE or flags > redis.REPL_ALL then
    local allowed = "Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."
    error(failure("Invalid replication flags. " .. allowed), 0)
  end
end

function redis.replicate_commands()
  return true
end

function redis.breakpoint()
  return false
end

function redis.debug() end

function redis.acl_check_cmd(...)
  local count = select("#", ...)
  if count == 0 then
    error(failure("Please specify at least one argument for this redis lib call"), 0)
  end
  local words = { ... }
  for at = 1, count do
    if not is_word(words[at]) then
      error(failure("Lua redis lib command arguments must be strings or integers"), 0)
    end
  end
  local allowed = python.acl_check(pack(words, count))
  if allowed == nil then
    error(failure("Invalid command passed to redis.acl_check_cmd()"), 0)
  end
  return allowed
end

redis.REDIS_VERSION, redis.REDIS_VERSION_NUM = versions.text, versions.number
inside.offer("redis", redis)

-- ---- from Python into a script

-- Compiled functions by name.
local functions = {}
-- Words of a run that come before its last ones, where there are many.
local earlier = {}

local function set_client(resp3)
  reply.resp3 = resp3
  reply.null = resp3 and "_\r\n" or "$-1\r\n"
  reply.script_resp = 2
end

-- Splits `count` words into the keys and the arguments.
local function split(key_count, words, count)
  if key_count == 0 then
    return {}, words
  elseif key_count == count then
    return words, {}
  end
  local keys, arguments = {}, {}
  for at = 1, key_count do
    keys[at] = words[at]
  end
  for at = key_count + 1, count do
    arguments[at - key_count] = words[at]
  end
  return keys, arguments
end

local function gather(...)
  local words = { ... }
  local count = #words
  if #earlier > 0 then
    local all = earlier
    earlier = {}
    for at = 1, count do
      all[#all + 1] = words[at]
    end
    return all, #all
  end
  return words, count
end

-- The reply for what a script raised, which `locate` has given its place.
local function failed(name, problem)
  if type(problem) ~= "table" then
    local text = is_word(problem) and sub(c_text(tostring(problem)), 1, 100) or "execution failure"
    return replies.encode_error("ERR Error running script " .. name .. ", " .. text)
  end
  local text = is_word(problem.err) and c_text(tostring(problem.err)) or "ERR unknown error"
  local source, line = problem.source, problem.line
  if is_word(source) and is_word(line) then
    text = text .. " script: " .. name .. ", on " .. source .. ":" .. line .. "."
  end
  return replies.encode_error(text)
end

-- Whether it succeeded, and the reply. Errors of the conversion are those of the interpreter.
local function finish(name, ok, value)
  inside.give_new_life()
  if ok then
    return true, encode(value, reply)
  end
  return false, failed(name, value)
end

-- Runs a script whose keys and arguments are global variables.
local function evaluate(name, resp3, key_count, ...)
  local script = functions[name]
  set_client(resp3)
  inside.setfenv(script, environment)
  base.KEYS, base.ARGV = split(key_count, gather(...))
  return finish(name, xpcall(script, locate))
end

-- Runs a function that gets its keys and arguments.
local function invoke(name, resp3, key_count, ...)
  local body = functions[name]
  set_client(resp3)
  local keys, arguments = split(key_count, gather(...))
  return finish(name, xpcall(function()
    return body(keys, arguments)
  end, locate))
end

inside.functions = functions
inside.python = python
inside.redis = redis

return {
  evaluate = evaluate,
  invoke = invoke,
  -- nil, or why it cannot be compiled.
  compile = function(name, text, chunk)
    local compiled, problem = inside.compile(text, chunk)
    functions[name] = compiled
    return problem
  end,
  forget = function(name)
    functions[name] = nil
  end,
  add_words = function(...)
    for at = 1, select("#", ...) do
      earlier[#earlier + 1] = (select(at, ...))
    end
  end,
}
