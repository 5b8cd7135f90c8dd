-- Numbers as the bytes of IEEE 754, big-endian, and back.
--
-- What a NaN carries beside its sign is lost, as no script can see it.

local byte, char, floor, format = string.byte, string.char, math.floor, string.format
local frexp, ldexp = math.frexp, math.ldexp

local INFINITY = 1 / 0
local NAN, NEGATIVE_NAN = tonumber("nan"), tonumber("-nan")

-- The four bytes of an unsigned 32-bit number.
local function word_bytes(word)
  local low = word % 65536
  local high = (word - low) / 65536
  return char(floor(high / 256), high % 256, floor(low / 256), low % 256)
end

-- The sign bit of a number, and its magnitude; -0 and NaN have signs, too.
local function sign_and_magnitude(number)
  if number ~= number then
    return byte(format("%g", number)) == 45 and 1 or 0, number
  elseif number < 0 or 1 / number < 0 then
    return 1, -number
  end
  return 0, number
end

-- `magnitude` as an integer of `digits` mantissa bits and an exponent, rounded to the even one of
-- two equally near; `lowest` is the exponent of the least number that is not zero.
local function rounded(magnitude, digits, lowest)
  if magnitude == 0 then
    return 0, lowest
  end
  local _, exponent = frexp(magnitude)
  exponent = exponent - digits < lowest and lowest or exponent - digits
  local scaled = ldexp(magnitude, -exponent)
  local whole = floor(scaled)
  local rest = scaled - whole
  if rest > 0.5 or rest == 0.5 and whole % 2 == 1 then
    whole = whole + 1
  end
  return whole, exponent
end

-- The bits of a single, as an unsigned number.
local function single_word(number)
  local sign, magnitude = sign_and_magnitude(number)
  local bits
  if magnitude ~= magnitude then
    bits = 0x7fc00000
  elseif magnitude == INFINITY then
    bits = 0x7f800000
  else
    local whole, exponent = rounded(magnitude, 24, -149)
    -- The highest bit of the mantissa, and what rounding carries, count for the exponent.
    bits = whole + (exponent + 149) * 0x800000
    if bits > 0x7f800000 then
      bits = 0x7f800000
    end
  end
  return bits + sign * 0x80000000
end

local function single_bytes(number)
  return word_bytes(single_word(number))
end

-- Whether a number is the same as a single.
local function is_single(number)
  if number ~= number or number - number ~= 0 then
    return number == number
  end
  local magnitude = number < 0 and -number or number
  local whole, exponent = rounded(magnitude, 24, -149)
  return ldexp(whole, exponent) == magnitude and exponent <= 104
end

local function double_bytes(number)
  local sign, magnitude = sign_and_magnitude(number)
  local high, low = 0, 0
  if magnitude ~= magnitude then
    high = 0x7ff80000
  elseif magnitude == INFINITY then
    high = 0x7ff00000
  else
    local whole, exponent = rounded(magnitude, 53, -1074)
    low = whole % 4294967296
    high = (whole - low) / 4294967296
    high = high + (exponent + 1074) * 0x100000
  end
  return word_bytes(high + sign * 0x80000000) .. word_bytes(low)
end

-- `field` is the exponent as stored, `mantissa` an integer of `digits` bits.
local function assembled(sign, field, field_max, mantissa, digits, bias)
  local number
  if field == field_max then
    if mantissa > 0 then
      return sign == 1 and NEGATIVE_NAN or NAN
    end
    number = INFINITY
  elseif field == 0 then
    number = ldexp(mantissa, 1 - bias - digits)
  else
    number = ldexp(mantissa + 2 ^ digits, field - bias - digits)
  end
  return sign == 1 and -number or number
end

-- The inverse of `single_bytes`, for four bytes.
local function single(a, b, c, d)
  local sign = floor(a / 128)
  return assembled(sign, a % 128 * 2 + floor(b / 128), 255, (b % 128 * 256 + c) * 256 + d, 23, 127)
end

-- The inverse of `double_bytes`, for eight bytes.
local function double(a, b, c, d, e, f, g, h)
  local low = ((e * 256 + f) * 256 + g) * 256 + h
  local mantissa = ((b % 16 * 256 + c) * 256 + d) * 4294967296 + low
  return assembled(floor(a / 128), a % 128 * 16 + floor(b / 16), 2047, mantissa, 52, 1023)
end

return {
  double = double,
  double_bytes = double_bytes,
  is_single = is_single,
  single = single,
  single_bytes = single_bytes,
  word_bytes = word_bytes,
}
