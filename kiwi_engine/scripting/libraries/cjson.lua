-- The library `cjson`: values as JSON and back (lua-cjson 2.1).
--
-- Strings are bytes: what is no UTF-8 passes through. A text ends at its first zero byte, as for C.
-- Each instance (`cjson`, and what `cjson.new` returns) has its own settings.

local arguments, null, encode, decode = ...
local format, next, select, type = string.format, next, select, type
local bad_argument, check_integer = arguments.bad_argument, arguments.check_integer
local check_string = arguments.check_string

local INT_MAX = 2147483647

local function check_alone(values)
  if values ~= 1 then
    bad_argument(1, "expected 1 argument")
  end
end

-- A setting that is one of `options`, counted from 0; `true` is the second one.
local function set_option(own_settings, name, options, position, ...)
  local value = select(position, ...)
  if type(value) == "boolean" then
    own_settings[name] = value and 1 or 0
  elseif value ~= nil then
    local chosen = check_string(position, value, select("#", ...))
    local found
    for index, option in next, options do
      found = option == chosen and index - 1 or found
    end
    if not found then
      bad_argument(position, "invalid option '" .. chosen .. "'")
    end
    own_settings[name] = found
  end
  local setting = own_settings[name]
  if setting < 2 then
    return setting == 1
  end
  return options[setting + 1]
end

-- A setting that is an integer, taken as an int of C.
local function set_integer(own_settings, name, lowest, highest, position, ...)
  local value = select(position, ...)
  if value ~= nil then
    local number = check_integer(position, value, select("#", ...))
    number = (number + INT_MAX + 1) % 4294967296 - INT_MAX - 1
    if number < lowest or number > highest then
      bad_argument(1, format("expected integer between %d and %d", lowest, highest))
    end
    own_settings[name] = number
  end
  return own_settings[name]
end

local function check_count(most, values)
  if values > most then
    bad_argument(most + 1, "found too many arguments")
  end
end

local SWITCH = { "off", "on" }

local function integer_setting(own_settings, name, lowest, highest)
  return arguments.exported(function(...)
    check_count(1, select("#", ...))
    return set_integer(own_settings, name, lowest, highest, 1, ...)
  end)
end

local function option_setting(own_settings, name, options)
  return arguments.exported(function(...)
    check_count(1, select("#", ...))
    return set_option(own_settings, name, options, 1, ...)
  end)
end

local function sparse_setting(own_settings)
  return arguments.exported_many(function(...)
    check_count(3, select("#", ...))
    return {
      set_option(own_settings, "encode_sparse_convert", SWITCH, 1, ...),
      set_integer(own_settings, "encode_sparse_ratio", 0, INT_MAX, 2, ...),
      set_integer(own_settings, "encode_sparse_safe", 0, INT_MAX, 3, ...),
    }, 3
  end)
end

local function new()
  local own = {
    decode_invalid_numbers = 1,
    decode_max_depth = 1000,
    encode_invalid_numbers = 0,
    -- C keeps a buffer for it. Here it is a setting that says what it was set to.
    encode_keep_buffer = 1,
    encode_max_depth = 1000,
    encode_number_precision = 14,
    encode_sparse_convert = 0,
    encode_sparse_ratio = 2,
    encode_sparse_safe = 10,
  }
  return {
    _NAME = "cjson",
    _VERSION = "2.1.0",
    decode = arguments.exported(function(...)
      check_alone(select("#", ...))
      return decode(own, (...))
    end),
    decode_invalid_numbers = option_setting(own, "decode_invalid_numbers", SWITCH),
    decode_max_depth = integer_setting(own, "decode_max_depth", 1, INT_MAX),
    encode = arguments.exported(function(...)
      check_alone(select("#", ...))
      return encode(own, (...))
    end),
    encode_invalid_numbers = option_setting(own, "encode_invalid_numbers", { "off", "on", "null" }),
    encode_keep_buffer = option_setting(own, "encode_keep_buffer", SWITCH),
    encode_max_depth = integer_setting(own, "encode_max_depth", 1, INT_MAX),
    encode_number_precision = integer_setting(own, "encode_number_precision", 1, 14),
    encode_sparse_array = sparse_setting(own),
    new = new,
    null = null,
  }
end

return new()
