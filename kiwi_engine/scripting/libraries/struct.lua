-- The library `struct`: values as C structures.
--
--     > <      big-endian, little-endian (the default)
--     ![n]     alignment, at most n (8)
--     x        a byte of padding
--     b h l i[n]      signed integers of 1, 2, 8 and n (4) bytes
--     B H L T I[n]    unsigned integers of 1, 2, 8, 8 and n (4) bytes
--     c[n]     n bytes (1); c0: the whole string, and as many as the number before it says when
--              unpacking
--     s        a string and a zero
--     f d      single, double
--
-- An integer longer than eight bytes has only its first or last eight, as in C.

local arguments, floats, bit = ...
local byte, char, concat, find = string.byte, string.char, table.concat, string.find
local floor, match, rep, reverse = math.floor, string.match, string.rep, string.reverse
local select, setmetatable, sub, tonumber = select, setmetatable, string.sub, tonumber
local unpack = unpack
local bad_argument, check_integer = arguments.bad_argument, arguments.check_integer
local check_number, check_string = arguments.check_number, arguments.check_string
local fail = arguments.fail
local band = bit.band

local INT_MAX = 2147483647
local INTEGER_BYTES_MAX = 32
local LONG_BYTES = 8
local ALIGNMENT = 8
local TWO_32, TWO_63, TWO_64 = 2 ^ 32, 2 ^ 63, 2 ^ 64
local RESULTS_MAX = arguments.SLOTS_MAX

local INTEGERS = { b = 1, B = 1, h = 2, H = 2, l = 8, L = 8, T = 8, i = 4, I = 4 }
local SIZES = { f = 4, d = 8, x = 1, c = 1 }

-- A walk over a format. `size` is that of the option, 0 for those that have none.
local Walk = {}
Walk.__index = Walk

local function walk(format)
  return setmetatable({ format = match(format, "^%Z*"), at = 1, alignment = 1 }, Walk)
end

-- The number written at the walk's place, or `default`.
function Walk:number(default)
  local digits = match(self.format, "^%d+", self.at)
  if not digits then
    return default
  end
  local number = tonumber(digits)
  if number > INT_MAX then
    fail("integral size overflow")
  end
  self.at = self.at + #digits
  return number
end

-- The next option and its size; nothing at the end of the format.
function Walk:option()
  local option = sub(self.format, self.at, self.at)
  if option == "" then
    return nil
  end
  self.at = self.at + 1
  if option == "i" or option == "I" then
    local size = self:number(4)
    if size > INTEGER_BYTES_MAX then
      fail("integral size %d is larger than limit of %d", size, INTEGER_BYTES_MAX)
    end
    return option, size
  elseif option == "c" then
    return option, self:number(1)
  end
  return option, INTEGERS[option] or SIZES[option] or 0
end

-- How many bytes of padding come before an option at `position`, counted from 0.
function Walk:padding(position, option, size)
  if size == 0 or option == "c" then
    return 0
  end
  size = size > self.alignment and self.alignment or size
  return band(size - band(position, size - 1), size - 1)
end

-- An option that is not about a value.
function Walk:control(option)
  if option == ">" or option == "<" then
    self.is_big = option == ">"
  elseif option == "!" then
    local alignment = self:number(ALIGNMENT)
    if alignment < 1 or band(alignment, alignment - 1) ~= 0 then
      fail("alignment %d is not a power of 2", alignment)
    end
    self.alignment = alignment
  elseif option ~= " " then
    bad_argument(1, "invalid format option '" .. option .. "'")
  end
end

-- Packing

-- The 64 bits that C's conversion to a long makes of a number, as two unsigned words; out of range
-- it is what processors of the x86 family do.
local function words(number)
  if number ~= number or number < -TWO_63 then
    return TWO_63 / TWO_32, 0
  elseif number >= TWO_64 then
    return 0, 0
  end
  number = number < 0 and -floor(-number) or floor(number)
  local low = number % TWO_32
  return (number - low) / TWO_32 % TWO_32, low
end

local function integer_bytes(number, size, is_big)
  local high, low = words(number)
  local bytes = {}
  for index = 1, size do
    bytes[index] = low % 256
    low = floor(low / 256) + high % 256 * 16777216
    high = floor(high / 256)
  end
  local packed = char(unpack(bytes))
  return is_big and reverse(packed) or packed
end

local function float_bytes(option, number, is_big)
  local packed = option == "f" and floats.single_bytes(number) or floats.double_bytes(number)
  return is_big and packed or reverse(packed)
end

local function string_bytes(option, size, text, position)
  size = size == 0 and #text or size
  if #text < size then
    -- C counts the argument before it looks at its length.
    bad_argument(position + 1, "string too short")
  end
  return sub(text, 1, size) .. (option == "s" and "\0" or "")
end

-- The bytes of the argument at `position` for an option; nothing for an option without a value.
local function packed_value(steps, option, size, position, value, count)
  if INTEGERS[option] then
    return integer_bytes(check_number(position, value, count), size, steps.is_big)
  elseif option == "f" or option == "d" then
    return float_bytes(option, check_number(position, value, count), steps.is_big)
  elseif option == "c" or option == "s" then
    return string_bytes(option, size, check_string(position, value, count), position)
  end
  return nil
end

local function pack(...)
  local count = select("#", ...)
  local steps = walk(check_string(1, (...), count))
  -- C has a nil behind the arguments, and takes it for the first one that is missing.
  count = count + 1
  local pieces, total, position = {}, 0, 2
  for option, size in Walk.option, steps do
    local padding = steps:padding(total, option, size)
    local piece = packed_value(steps, option, size, position, (select(position, ...)), count)
    if piece then
      position = position + 1
    elseif option == "x" then
      piece = "\0"
    else
      steps:control(option)
      piece = ""
    end
    pieces[#pieces + 1] = rep("\0", padding) .. piece
    total = total + padding + #piece
  end
  return concat(pieces)
end

-- Unpacking

-- The last eight bytes of an integer, as they count; a longer one is extended from a lower byte.
local function integer(data, first, size, is_big, is_signed)
  local bytes = {}
  for index = 1, LONG_BYTES do
    local place = is_big and first + size - index or first + index - 1
    bytes[index] = index <= size and byte(data, place) or 0
  end
  local is_negative = false
  if is_signed then
    local top = (size - 1) % LONG_BYTES + 1
    is_negative = bytes[top] >= 128
    for index = top + 1, LONG_BYTES do
      is_negative = is_negative or bytes[index] > 0
    end
    if is_negative then
      bytes[top] = bytes[top] % 128 + 128
      for index = top + 1, LONG_BYTES do
        bytes[index] = 255
      end
    end
  end
  local high = ((bytes[8] * 256 + bytes[7]) * 256 + bytes[6]) * 256 + bytes[5]
  local low = ((bytes[4] * 256 + bytes[3]) * 256 + bytes[2]) * 256 + bytes[1]
  return (is_negative and high - TWO_32 or high) * TWO_32 + low
end

local function float(option, data, first, is_big)
  local size = SIZES[option]
  local packed = sub(data, first, first + size - 1)
  packed = is_big and packed or reverse(packed)
  return (option == "f" and floats.single or floats.double)(byte(packed, 1, size))
end

local function check_room(position, size, data)
  if position < 0 or position + size > #data then
    bad_argument(2, "data string too short")
  end
end

-- The number of bytes that a value before `c0` says, as C converts it: too many if it is negative.
local function previous_size(value)
  local size = tonumber(value)
  if not size then
    fail("format 'c0' needs a previous size")
  elseif size ~= size or size <= -1 then
    return TWO_63
  end
  return size < 0 and 0 or floor(size)
end

-- What an option reads at `position`, counted from 0: a value and the bytes it takes.
local function unpacked_value(steps, option, size, data, position)
  if INTEGERS[option] then
    local is_signed = find(option, "%l") ~= nil
    return integer(data, position + 1, size, steps.is_big, is_signed), size
  elseif option == "f" or option == "d" then
    return float(option, data, position + 1, steps.is_big), size
  elseif option == "c" then
    return sub(data, position + 1, position + size), size
  elseif option == "s" then
    local stop = find(data, "\0", position + 1, true)
    if not stop then
      fail("unfinished string in data")
    end
    return sub(data, position + 1, stop - 1), stop - position
  end
  if option ~= "x" then
    steps:control(option)
  end
  return nil, size
end

local function unpack_values(...)
  local count = select("#", ...)
  local format, text, offset = ...
  local steps = walk(check_string(1, format, count))
  local data = check_string(2, text, count)
  local position = (offset == nil and 1 or check_integer(3, offset, count)) - 1
  if position == -1 then
    bad_argument(3, "offset must be 1 or greater")
  end
  local results, found = {}, 0
  for option, size in Walk.option, steps do
    position = position + steps:padding(position, option, size)
    check_room(position, size, data)
    if found + 2 >= RESULTS_MAX then
      fail("stack overflow (too many results)")
    end
    if option == "c" and size == 0 then
      size = previous_size(results[found])
      found = found - 1
      check_room(position, size, data)
    end
    local value, taken = unpacked_value(steps, option, size, data, position)
    if value then
      found = found + 1
      results[found] = value
    end
    position = position + taken
  end
  results[found + 1] = position + 1
  return results, found + 1
end

local function size_of(...)
  local steps = walk(check_string(1, (...), select("#", ...)))
  local total = 0
  for option, size in Walk.option, steps do
    total = total + steps:padding(total, option, size)
    if option == "s" then
      bad_argument(1, "option 's' has no fixed size")
    elseif option == "c" and size == 0 then
      bad_argument(1, "option 'c0' has no fixed size")
    elseif not find(option, "%w") then
      steps:control(option)
    end
    total = total + size
  end
  return total
end

return {
  pack = arguments.exported(pack),
  size = arguments.exported(size_of),
  unpack = arguments.exported_many(unpack_values),
}
