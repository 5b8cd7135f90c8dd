-- The library `bit`: operations on 32-bit integers, as LuaJIT's BitOp defines them.
--
-- A number is taken modulo 2^32, rounded to the nearest integer (to the even one of two); results
-- are signed. Lua 5.1 has no bit operations of its own: "and" looks two digits to the base of 16 up
-- in a table, "or" and "xor" follow from it.

local arguments = ...
local error, getinfo, select, tonumber, type = error, debug.getinfo, select, tonumber, type
local floor, format, frexp, sub, upper =
  math.floor, string.format, math.frexp, string.sub, string.upper

local TWO_31, TWO_32, TWO_52, TWO_53 = 2 ^ 31, 2 ^ 32, 2 ^ 52, 2 ^ 53
-- Added to a number below 2^51 it leaves the bits of the integer at the end of the mantissa.
local ROUNDING = TWO_52 + 2 ^ 51

-- AND_OF[16 * a + b] for digits a and b.
local AND_OF = {}
for a = 0, 15 do
  for b = 0, 15 do
    local both, bit = 0, 1
    while bit < 16 do
      if a % (2 * bit) >= bit and b % (2 * bit) >= bit then
        both = both + bit
      end
      bit = 2 * bit
    end
    AND_OF[16 * a + b] = both
  end
end

-- The last 32 bits of the mantissa of a double of any size.
local function end_of_mantissa(sum)
  if sum ~= sum or sum - sum ~= 0 then
    return 0
  end
  local mantissa = frexp(sum < 0 and -sum or sum)
  return mantissa * TWO_53 % TWO_32
end

-- The argument at `position` as an unsigned integer; nothing if it is no number.
local function unsigned(value)
  if type(value) ~= "number" then
    value = type(value) == "string" and tonumber(value)
    if not value then
      return nil
    end
  end
  local sum = value + ROUNDING
  if sum >= TWO_52 and sum < TWO_53 then
    return sum % TWO_32
  end
  return end_of_mantissa(sum)
end

local function signed(number)
  return number < TWO_31 and number or number - TWO_32
end

-- To be called by a function of the library itself: the levels count on it.
local function no_number(position, count, value)
  local found = position > count and "no value" or type(value)
  local info = getinfo(2, "n")
  local text = "number expected, got " .. found
  local name = info.name or "?"
  if info.namewhat == "method" then
    position = position - 1
    if position == 0 then
      error(format("calling '%s' on bad self (%s)", name, text), 3)
    end
  end
  error(format("bad argument #%d to '%s' (%s)", position, name, text), 3)
end

local function both(a, b)
  local result, unit = 0, 1
  for _ = 1, 8 do
    local last_a, last_b = a % 16, b % 16
    result = result + AND_OF[16 * last_a + last_b] * unit
    a, b, unit = (a - last_a) / 16, (b - last_b) / 16, unit * 16
  end
  return result
end

local function either(a, b)
  return a + b - both(a, b)
end

local function one_of(a, b)
  return a + b - 2 * both(a, b)
end

-- As in BitOp, the first argument is looked at first, and the others from the last one on.
local function joined(join)
  return function(...)
    local count = select("#", ...)
    local result = unsigned((...))
    if not result then
      no_number(1, count, (...))
    end
    for position = count, 2, -1 do
      local value = select(position, ...)
      local number = unsigned(value)
      if not number then
        no_number(position, count, value)
      end
      result = join(result, number)
    end
    return signed(result)
  end
end

local function shifted(shift)
  return function(...)
    local value, distance = ...
    local number, places = unsigned(value), unsigned(distance)
    if not number then
      no_number(1, select("#", ...), value)
    end
    if not places then
      no_number(2, select("#", ...), distance)
    end
    return signed(shift(number, places % 32))
  end
end

local function left(number, places)
  return number * 2 ^ places % TWO_32
end

local function right(number, places)
  return floor(number / 2 ^ places)
end

local function right_with_sign(number, places)
  return floor(signed(number) / 2 ^ places) % TWO_32
end

local function rotated(number, places)
  return left(number, places) + right(number, 32 - places)
end

local function rotated_back(number, places)
  return right(number, places) + left(number, 32 - places)
end

local function swapped(number)
  local first, second = number % 256, floor(number / 2 ^ 8) % 256
  local third, fourth = floor(number / 2 ^ 16) % 256, floor(number / 2 ^ 24)
  return ((first * 256 + second) * 256 + third) * 256 + fourth
end

local function changed(change)
  return function(...)
    local number = unsigned((...))
    if not number then
      no_number(1, select("#", ...), (...))
    end
    return signed(change(number))
  end
end

local function hexadecimal(number, digits)
  local text = format("%08x", number)
  if digits < 0 then
    text, digits = upper(text), -digits
  end
  return digits < 8 and sub(text, 9 - digits) or text
end

return {
  arshift = shifted(right_with_sign),
  band = joined(both),
  bnot = changed(function(number)
    return TWO_32 - 1 - number
  end),
  bor = joined(either),
  bswap = changed(swapped),
  bxor = joined(one_of),
  lshift = shifted(left),
  rol = shifted(rotated),
  ror = shifted(rotated_back),
  rshift = shifted(right),
  tobit = changed(function(number)
    return number
  end),
  tohex = function(...)
    local count = select("#", ...)
    local value, digits = ...
    local number, length = unsigned(value), count < 2 and 8 or unsigned(digits)
    if not number then
      no_number(1, count, value)
    end
    if not length then
      no_number(2, count, digits)
    end
    return hexadecimal(number, signed(length))
  end,
}
