-- Arguments and errors as functions of Lua's C interface have them.
--
-- A library's functions are written as implementations that throw by `fail` and `bad_argument`;
-- `exported` and `exported_many` make of them what scripts get. An error then names the line of the
-- script that called, and the function by the name that the script called it by. The texts are
-- those of Lua's auxiliary library.

local error, format, getinfo, pcall = error, string.format, debug.getinfo, pcall
local tonumber, tostring, type, unpack = tonumber, tostring, type, unpack

-- What C code may push on the stack in one call.
local SLOTS_MAX = 8000

-- Thrown for errors of our own; any other error passes through as it is.
local FAILURE = {}
local message, argument

local function fail(text, ...)
  message, argument = format(text, ...), nil
  error(FAILURE)
end

local function bad_argument(position, text)
  message, argument = text, position
  error(FAILURE)
end

-- The text of a bad argument, for the function of which `info` tells the name.
local function argument_text(info)
  local name, position = info.name or "?", argument
  if info.namewhat == "method" then
    position = position - 1
    if position == 0 then
      return format("calling '%s' on bad self (%s)", name, message)
    end
  end
  return format("bad argument #%d to '%s' (%s)", position, name, message)
end

-- To be called by an exported function itself: the levels count on it.
local function raise(thrown)
  if thrown ~= FAILURE then
    error(thrown, 0)
  end
  error(argument and argument_text(getinfo(2, "n")) or message, 3)
end

-- A function with one result.
local function exported(implementation)
  return function(...)
    local is_done, result = pcall(implementation, ...)
    if not is_done then
      raise(result)
    end
    return result
  end
end

-- A function with any number of results; the implementation returns a table and how many are in it.
local function exported_many(implementation)
  return function(...)
    local is_done, results, count = pcall(implementation, ...)
    if not is_done then
      raise(results)
    end
    return unpack(results, 1, count)
  end
end

-- `count` is how many arguments there are: an argument behind them is missing, and not nil.
local function wrong_type(position, expected, value, count)
  local found = position > count and "no value" or type(value)
  bad_argument(position, expected .. " expected, got " .. found)
end

local function check_number(position, value, count)
  if type(value) == "number" then
    return value
  end
  return type(value) == "string" and tonumber(value) or wrong_type(position, "number", value, count)
end

-- Numbers lose their fraction.
local function check_integer(position, value, count)
  local number = check_number(position, value, count)
  return number - number % (number < 0 and -1 or 1)
end

local function check_string(position, value, count)
  if type(value) == "string" then
    return value
  end
  return type(value) == "number" and tostring(value) or wrong_type(position, "string", value, count)
end

return {
  SLOTS_MAX = SLOTS_MAX,
  bad_argument = bad_argument,
  check_integer = check_integer,
  check_number = check_number,
  check_string = check_string,
  exported = exported,
  exported_many = exported_many,
  fail = fail,
}
