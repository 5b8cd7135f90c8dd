-- The library `cmsgpack`: values as MessagePack (lua-cmsgpack 0.4).
--
-- Strings are "raw" of the older specification: what is binary or an extension is refused. Tables
-- below the sixteenth level are packed as nil.

local arguments, floats = ...
local byte, char, concat, error = string.byte, string.char, table.concat, error
local floor = math.floor
local next, select, sub, type = next, select, string.sub, type
local bad_argument, fail, SLOTS_MAX = arguments.bad_argument, arguments.fail, arguments.SLOTS_MAX
local check_integer, check_string = arguments.check_integer, arguments.check_string
local double, double_bytes, single = floats.double, floats.double_bytes, floats.single
local is_single, single_bytes, word_bytes = floats.is_single, floats.single_bytes, floats.word_bytes

local NESTING_MAX = 16
local TWO_32, TWO_63 = 2 ^ 32, 2 ^ 63
local INT32_MAX = 2147483647

-- The most frequent numbers.
local SMALL = {}
for number = 0, 127 do
  SMALL[number] = char(number)
end

-- What was packed so far, in pieces; a call empties them when it begins.
local pieces, count

local function append(piece)
  count = count + 1
  pieces[count] = piece
end

-- A 64-bit number in two's complement.
local function long_bytes(number)
  local low = number % TWO_32
  return word_bytes((number - low) / TWO_32 % TWO_32) .. word_bytes(low)
end

local function positive_bytes(number)
  if number < 256 then
    return char(0xcc, number)
  elseif number < 65536 then
    return char(0xcd, floor(number / 256), number % 256)
  elseif number < TWO_32 then
    return "\206" .. word_bytes(number)
  end
  return "\207" .. long_bytes(number)
end

local function negative_bytes(number)
  if number >= -32 then
    return char(256 + number)
  elseif number >= -128 then
    return char(0xd0, 256 + number)
  elseif number >= -32768 then
    return char(0xd1, floor((65536 + number) / 256), number % 256)
  elseif number >= -2147483648 then
    return "\210" .. word_bytes(TWO_32 + number)
  end
  return "\211" .. long_bytes(number)
end

local function number_bytes(number)
  if floor(number) == number and number >= -TWO_63 and number < TWO_63 then
    return number >= 0 and positive_bytes(number) or negative_bytes(number)
  end
  return is_single(number) and "\202" .. single_bytes(number) or "\203" .. double_bytes(number)
end

-- The head of something of `size` parts: `short` holds sizes below `short_end` itself, then follow
-- the forms with one byte (0 if there is none), two and four.
local function head(size, short, short_end, one, two)
  if size < short_end then
    return char(short + size)
  elseif size < 256 and one > 0 then
    return char(one, size)
  elseif size < 65536 then
    return char(two, floor(size / 256), size % 256)
  end
  return char(two + 1) .. word_bytes(size)
end

-- How many elements a table has that is a list without holes; nothing for any other.
local function list_length(value)
  local elements, highest = 0, 0
  for key in next, value do
    if type(key) ~= "number" or key <= 0 or floor(key) ~= key or key > INT32_MAX then
      return nil
    end
    elements = elements + 1
    highest = key > highest and key or highest
  end
  return elements == highest and elements or nil
end

local function map_length(value)
  local pairs_count = 0
  for _ in next, value do
    pairs_count = pairs_count + 1
  end
  return pairs_count
end

local append_value

local function append_table(value, level)
  local length = list_length(value)
  if length then
    append(head(length, 0x90, 16, 0, 0xdc))
    for index = 1, length do
      append_value(value[index], level + 1)
    end
    return
  end
  append(head(map_length(value), 0x80, 16, 0, 0xde))
  for key, element in next, value do
    append_value(key, level + 1)
    append_value(element, level + 1)
  end
end

append_value = function(value, level)
  local kind = type(value)
  if kind == "string" then
    append(head(#value, 0xa0, 32, 0xd9, 0xda))
    append(value)
  elseif kind == "number" then
    append(SMALL[value] or number_bytes(value))
  elseif kind == "boolean" then
    append(value and "\195" or "\194")
  elseif kind == "table" and level < NESTING_MAX then
    append_table(value, level)
  else
    append("\192")
  end
end

local function pack(...)
  local values = select("#", ...)
  if values == 0 then
    bad_argument(0, "MessagePack pack needs input.")
  end
  pieces, count = {}, 0
  for position = 1, values do
    append_value((select(position, ...)), 0)
  end
  local packed = concat(pieces)
  pieces = nil
  return packed
end

-- Unpacking

-- The bytes being read, how many there are, and the position of the next one.
local data, size, at

local function missing_bytes()
  -- Not to be kept until the next call.
  data = nil
  fail("Missing bytes in input.")
end

local function bad_format()
  data = nil
  fail("Bad data format in input.")
end

-- Go behind the next `length` bytes; the position of the first one.
local function skip(length)
  local first = at
  if first + length - 1 > size then
    missing_bytes()
  end
  at = first + length
  return first
end

local function unsigned_8()
  return byte(data, skip(1))
end

local function unsigned_16()
  local high, low = byte(data, skip(2), at - 1)
  return high * 256 + low
end

local function unsigned_32()
  local a, b, c, d = byte(data, skip(4), at - 1)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

-- Also what is said to be unsigned: Lua's integers are signed.
local function signed_64()
  skip(8)
  at = at - 8
  local high, low = unsigned_32(), unsigned_32()
  return (high < 2147483648 and high or high - TWO_32) * TWO_32 + low
end

local function raw(length)
  local first = skip(length)
  return sub(data, first, at - 1)
end

local read

-- `slots` is how much of the stack C code would use by now; its bound ends what is nested too deep.
local function read_list(length, slots)
  local list = {}
  if slots + 1 >= SLOTS_MAX then
    fail("stack overflow (in function mp_decode_to_lua_array)")
  end
  for index = 1, length do
    list[index] = read(slots + 2)
  end
  return list
end

local function read_map(length, slots)
  local map = {}
  for _ = 1, length do
    local key = read(slots + 1)
    local value = read(slots + 2)
    if key == nil or key ~= key then
      -- Lua's own error, which names no line.
      error(key == nil and "table index is nil" or "table index is NaN", 0)
    end
    map[key] = value
  end
  return map
end

-- By the first byte of a value, what reads the rest of it.
local READERS = {
  [0xc0] = function()
    return nil
  end,
  [0xc2] = function()
    return false
  end,
  [0xc3] = function()
    return true
  end,
  [0xca] = function()
    return single(byte(data, skip(4), at - 1))
  end,
  [0xcb] = function()
    return double(byte(data, skip(8), at - 1))
  end,
  [0xcc] = unsigned_8,
  [0xcd] = unsigned_16,
  [0xce] = unsigned_32,
  [0xcf] = signed_64,
  [0xd0] = function()
    local number = unsigned_8()
    return number < 128 and number or number - 256
  end,
  [0xd1] = function()
    local number = unsigned_16()
    return number < 32768 and number or number - 65536
  end,
  [0xd2] = function()
    local number = unsigned_32()
    return number < 2147483648 and number or number - TWO_32
  end,
  [0xd3] = signed_64,
  [0xd9] = function()
    return raw(unsigned_8())
  end,
  [0xda] = function()
    return raw(unsigned_16())
  end,
  [0xdb] = function()
    return raw(unsigned_32())
  end,
  [0xdc] = function(slots)
    return read_list(unsigned_16(), slots)
  end,
  [0xdd] = function(slots)
    return read_list(unsigned_32(), slots)
  end,
  [0xde] = function(slots)
    return read_map(unsigned_16(), slots)
  end,
  [0xdf] = function(slots)
    return read_map(unsigned_32(), slots)
  end,
}

read = function(slots)
  if at > size then
    missing_bytes()
  elseif slots >= SLOTS_MAX then
    fail("stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)")
  end
  local first = byte(data, at)
  at = at + 1
  if first < 0x80 then
    return first
  elseif first >= 0xe0 then
    return first - 256
  elseif first < 0x90 then
    return read_map(first - 0x80, slots)
  elseif first < 0xa0 then
    return read_list(first - 0x90, slots)
  elseif first < 0xc0 then
    return raw(first - 0xa0)
  end
  return (READERS[first] or bad_format)(slots)
end

-- At most `limit` values from `offset` on; in front of them, unless all were asked for, the offset
-- of the next one, or -1 if there is none.
local function unpacked(text, limit, offset)
  local is_all = limit == 0 and offset == 0
  if offset < 0 or limit < 0 then
    fail("Invalid request to unpack with offset of %d and limit of %d.", offset, #text)
  elseif offset > #text then
    fail("Start offset %d greater than input length %d.", offset, #text)
  end
  data, size, at = text, #text, offset + 1
  local results, values = {}, 0
  local first = is_all and 0 or 1
  while at <= size and (is_all or values < limit) do
    values = values + 1
    results[first + values] = read(values)
  end
  if not is_all then
    results[1] = at > size and -1 or at - 1
  end
  data = nil
  return results, first + values
end

local function unpack_all(...)
  return unpacked(check_string(1, (...), select("#", ...)), 0, 0)
end

local function optional_integer(position, ...)
  local value = select(position, ...)
  return value == nil and 0 or check_integer(position, value, select("#", ...))
end

local function unpack_one(...)
  local offset = optional_integer(2, ...)
  return unpacked(check_string(1, (...), select("#", ...)), 1, offset)
end

local function unpack_limit(...)
  local text, asked = ...
  local limit = check_integer(2, asked, select("#", ...))
  local offset = optional_integer(3, ...)
  return unpacked(check_string(1, text, select("#", ...)), limit, offset)
end

return {
  _COPYRIGHT = "Copyright (C) 2012, Salvatore Sanfilippo",
  _DESCRIPTION = "MessagePack C implementation for Lua",
  _NAME = "cmsgpack",
  _VERSION = "lua-cmsgpack 0.4.0",
  pack = arguments.exported(pack),
  unpack = arguments.exported_many(unpack_all),
  unpack_limit = arguments.exported_many(unpack_limit),
  unpack_one = arguments.exported_many(unpack_one),
}
