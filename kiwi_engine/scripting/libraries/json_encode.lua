-- Lua values as JSON, for `cjson`.

local arguments, null = ...
local char, concat, find, floor = string.char, table.concat, string.find, math.floor
local format, gsub, next, rawget, type = string.format, string.gsub, next, rawget, type
local fail, SLOTS_MAX = arguments.fail, arguments.SLOTS_MAX

local INFINITY = 1 / 0
local INT_MAX = 2147483647
-- Names of members that are remembered.
local NAMES_MAX, NAME_BYTES_MAX = 1000, 40

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\127"] = "\\u007f" }
for code = 0, 31 do
  ESCAPES[char(code)] = format("\\u%04x", code)
end
for letter, escaped in next, { b = "\b", t = "\t", n = "\n", f = "\f", r = "\r" } do
  ESCAPES[escaped] = "\\" .. letter
end

-- What was written so far, in pieces, and by which settings; a call renews them when it begins.
local pieces, count, settings, number_format

local function escaped(text)
  if find(text, '[%c"\\/]') then
    return (gsub(text, '[%c"\\/]', ESCAPES))
  end
  return text
end

-- Names of members, escaped: they come again and again, and to look into them takes time.
local names, name_count = {}, 0

local function escaped_name(key)
  local name = names[key]
  if not name then
    name = escaped(key)
    if #key <= NAME_BYTES_MAX then
      if name_count == NAMES_MAX then
        names, name_count = {}, 0
      end
      names[key], name_count = name, name_count + 1
    end
  end
  return name
end

local function cannot_serialise(value, reason)
  -- Not to be kept until the next call.
  pieces = nil
  fail("Cannot serialise %s: %s", type(value), reason)
end

-- A number as a piece. Joining the pieces writes numbers with 14 digits, which is the default.
local function number_piece(number)
  if number ~= number or number == INFINITY or number == -INFINITY then
    local mode = settings.encode_invalid_numbers
    if mode == 0 then
      cannot_serialise(number, "must not be NaN or Inf")
    elseif mode == 2 then
      return "null"
    end
    return number ~= number and "nan" or number
  end
  return number_format and format(number_format, number) or number
end

-- How many elements a table has as an array, with the holes in between; 0 for an object.
local function array_length(value)
  local elements, highest = 0, 0
  for key in next, value do
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then
      return 0
    end
    elements = elements + 1
    if key > highest then
      -- C's conversion to an int, out of its range.
      highest = key <= INT_MAX and key or -INT_MAX - 1
    end
  end
  local ratio = settings.encode_sparse_ratio
  if ratio > 0 and highest > elements * ratio and highest > settings.encode_sparse_safe then
    if settings.encode_sparse_convert == 0 then
      cannot_serialise(value, "excessively sparse array")
    end
    return 0
  end
  return highest
end

local append

local function append_array(value, length, depth, slots)
  count = count + 1
  pieces[count] = "["
  for index = 1, length do
    if index > 1 then
      count = count + 1
      pieces[count] = ","
    end
    append(rawget(value, index), depth, slots + 1)
  end
  count = count + 1
  pieces[count] = "]"
end

local function append_object(value, depth, slots)
  local before = '{"'
  for key, element in next, value do
    local kind, name = type(key), key
    if kind == "string" then
      name = names[key] or escaped_name(key)
    elseif kind == "number" then
      name = number_piece(key)
    else
      cannot_serialise(key, "table key must be a number or string")
    end
    pieces[count + 1], pieces[count + 2] = before, name
    if type(element) == "string" then
      pieces[count + 3], pieces[count + 4], pieces[count + 5] = '":"', escaped(element), '"'
      count = count + 5
    else
      pieces[count + 3] = '":'
      count = count + 3
      append(element, depth, slots + 2)
    end
    before = ',"'
  end
  count = count + 1
  pieces[count] = before == '{"' and "{}" or "}"
end

-- `slots` is how much of the stack C code would use by now.
local function append_table(value, depth, slots)
  if depth > settings.encode_max_depth or slots + 3 > SLOTS_MAX then
    pieces = nil
    fail("Cannot serialise, excessive nesting (%d)", depth)
  end
  local length = array_length(value)
  if length > 0 then
    append_array(value, length, depth, slots)
  else
    append_object(value, depth, slots)
  end
end

append = function(value, depth, slots)
  local kind = type(value)
  if kind == "table" then
    return append_table(value, depth + 1, slots)
  end
  count = count + 1
  if kind == "string" then
    pieces[count], pieces[count + 1], pieces[count + 2] = '"', escaped(value), '"'
    count = count + 2
  elseif kind == "number" then
    pieces[count] = number_piece(value)
  elseif kind == "boolean" then
    pieces[count] = value and "true" or "false"
  elseif value == nil or value == null then
    pieces[count] = "null"
  else
    cannot_serialise(value, "type not supported")
  end
end

return function(own_settings, value)
  settings, pieces, count = own_settings, {}, 0
  local digits = settings.encode_number_precision
  number_format = digits < 14 and "%." .. digits .. "g" or nil
  append(value, 0, 1)
  local text = concat(pieces)
  pieces = nil
  return text
end
