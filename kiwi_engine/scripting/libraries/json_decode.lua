-- JSON as Lua values, for `cjson`.
--
-- Errors say what was expected, in the words of lua-cjson, and what was found instead.

local arguments, null = ...
local byte, char, concat, find = string.byte, string.char, table.concat, string.find
local floor, lower, match, sub = math.floor, string.lower, string.match, string.sub
local next, tonumber = next, tonumber
local check_string, fail, SLOTS_MAX = arguments.check_string, arguments.fail, arguments.SLOTS_MAX

-- By which settings; a call takes those of its instance.
local settings

local CHARACTERS = {}
for escape, decoded in next, {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", t = "\t", n = "\n", f = "\f", r = "\r",
} do
  CHARACTERS[byte(escape)] = decoded
end

local TOKENS = {
  ["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END",
  [","] = "T_COMMA", [":"] = "T_COLON", [""] = "T_END", ["\0"] = "T_END",
}

-- The text being read, and whether strings in it may need more than to be cut out.
local text, is_intricate

-- A character as UTF-8.
local function utf_8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xc0 + floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xe0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xf0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64,
    0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

local function hexadecimal(at)
  local digits = match(text, "^\\u(%x%x%x%x)", at)
  return digits and tonumber(digits, 16)
end

-- The character that the escape \uXXXX at `at` stands for, and where it ends; nothing if there is
-- none.
local function unicode_escape(at)
  local code = hexadecimal(at)
  if not code then
    return nil
  elseif code < 0xd800 or code > 0xdfff then
    return utf_8(code), at + 6
  end
  local second = code < 0xdc00 and hexadecimal(at + 6)
  if not second or second < 0xdc00 or second > 0xdfff then
    return nil
  end
  return utf_8((code - 0xd800) * 1024 + second - 0xdc00 + 0x10000), at + 12
end

-- The string whose first quote is at `at`, and what is behind it; or nothing, why, and where.
local function intricate_string(at)
  local parts, from = {}, at + 1
  while true do
    local stop = find(text, '["\\%z]', from)
    local code = stop and byte(text, stop) or 0
    if code == 0 then
      return nil, "unexpected end of string", stop or #text + 1
    end
    parts[#parts + 1] = sub(text, from, stop - 1)
    if code == 34 then
      return concat(parts), stop + 1
    end
    local escape = byte(text, stop + 1)
    local character, behind = CHARACTERS[escape], stop + 2
    if escape == 117 then
      character, behind = unicode_escape(stop)
      if not character then
        return nil, "invalid unicode escape code", stop
      end
    elseif not character then
      return nil, "invalid escape code", stop
    end
    parts[#parts + 1], from = character, behind
  end
end

local function string_at(at)
  if is_intricate then
    return intricate_string(at)
  end
  local stop = find(text, '"', at + 1, true)
  if not stop then
    return nil, "unexpected end of string", #text + 1
  end
  return sub(text, at + 1, stop - 1), stop + 1
end

-- Where the number at `at` ends, as strtod sees it; nothing if there is none.
local function number_end(at)
  local _, sign_end = find(text, "^[-+]?", at)
  local from = sign_end + 1
  local word = lower(sub(text, from, from + 7))
  if sub(word, 1, 3) == "inf" then
    return from + (word == "infinity" and 7 or 2)
  elseif sub(word, 1, 3) == "nan" then
    local _, stop = find(text, "^%([%w_]*%)", from + 3)
    return stop or from + 2
  end
  local digits, point = "%d", "^[eE][-+]?%d+"
  local start = from
  if match(text, "^0[xX]%.?%x", from) then
    digits, point, start = "%x", "^[pP][-+]?%d+", from + 2
  end
  local _, stop = find(text, "^" .. digits .. "*%.?" .. digits .. "*", start)
  if not find(text, digits, start) or find(text, digits, start) > stop then
    return nil
  end
  local _, exponent_end = find(text, point, stop + 1)
  return exponent_end or stop
end

-- Whether what is at `at` may be a number that JSON does not know: infinite, NaN, hexadecimal, with
-- a plus or a leading zero.
local function is_invalid_number(at)
  local rest = lower(match(text, "^%-?([^%z]?[^%z]?[^%z]?)", at))
  return byte(text, at) == 43 or find(rest, "^0[x%d]") or rest == "inf" or rest == "nan"
end

-- The number at `at`, and what is behind it; or nothing and why.
local function number_at(at)
  if settings.decode_invalid_numbers == 0 and is_invalid_number(at) then
    return nil, "invalid number"
  end
  -- What is followed by one of EPXepx may go on, or not.
  local digits, next_at = match(text, "^(%-?%d+%.?%d*)()[^%d.EPXepx]", at)
  if digits then
    return tonumber(digits), next_at
  end
  local stop = number_end(at)
  if not stop then
    return nil, "invalid number"
  end
  return tonumber(sub(text, at, stop)), stop + 1
end

-- What is found at `at` instead of what was expected, and where it is.
local function token_at(at)
  local character = sub(text, at, at)
  if TOKENS[character] then
    return TOKENS[character], at
  elseif character == '"' then
    local value, reason, place = string_at(at)
    return value and "T_STRING" or reason, value and at or place
  elseif find(character, "[-%d]") then
    local value, reason = number_at(at)
    return value and "T_NUMBER" or reason, at
  elseif sub(text, at, at + 3) == "true" or sub(text, at, at + 4) == "false" then
    return "T_BOOLEAN", at
  elseif sub(text, at, at + 3) == "null" then
    return "T_NULL", at
  elseif find(character, "[iInN+]") and settings.decode_invalid_numbers == 1
    and is_invalid_number(at) then
    return number_end(at) and "T_NUMBER" or "invalid number", at
  end
  return "invalid token", at
end

local function unexpected(expected, at)
  local found, place = token_at(at)
  -- Not to be kept until the next call.
  text = nil
  fail("Expected %s but found %s at character %d", expected, found, place)
end

-- Where the next token begins.
local function skip_blanks(at)
  local code = byte(text, at)
  if code == 32 or code == 10 or code == 13 or code == 9 then
    return find(text, "[^ \n\r\t]", at) or #text + 1
  end
  return at
end

-- What the last value was followed by: its end, behind which comes the next token.
local behind

local value_at

local function check_depth(at, depth, slots)
  if depth > settings.decode_max_depth or slots > SLOTS_MAX then
    text = nil
    fail("Found too many nested data structures (%d) at character %d", depth, at)
  end
end

-- The array whose bracket is at `at`.
local function array_at(at, depth, slots)
  check_depth(at, depth, slots + 2)
  local array, length = {}, 0
  at = skip_blanks(at + 1)
  if byte(text, at) == 93 then
    behind = at + 1
    return array
  end
  while true do
    length = length + 1
    array[length] = value_at(at, depth, slots + 1)
    at = behind
    local code = byte(text, at)
    if code ~= 44 and code ~= 93 then
      at = skip_blanks(at)
      code = byte(text, at)
    end
    if code == 93 then
      behind = at + 1
      return array
    elseif code ~= 44 then
      unexpected("comma or array end", at)
    end
    at = skip_blanks(at + 1)
  end
end

-- A member without escapes: its name, and where its value begins.
local MEMBER = '^"([^"\\%z]*)"[ \n\r\t]*:[ \n\r\t]*()'

-- The name at `at`, and where the value begins.
local function key_at(at)
  local key, key_end
  if byte(text, at) == 34 then
    key, key_end = string_at(at)
  end
  if not key then
    unexpected("object key string", at)
  end
  at = skip_blanks(key_end)
  if byte(text, at) ~= 58 then
    unexpected("colon", at)
  end
  return key, skip_blanks(at + 1)
end

-- The object whose brace is at `at`.
local function object_at(at, depth, slots)
  check_depth(at, depth, slots + 3)
  local object = {}
  at = skip_blanks(at + 1)
  if byte(text, at) == 125 then
    behind = at + 1
    return object
  end
  while true do
    local key, colon_end = match(text, MEMBER, at)
    if not key then
      key, colon_end = key_at(at)
    end
    object[key] = value_at(colon_end, depth, slots + 2)
    at = behind
    local code = byte(text, at)
    if code ~= 44 and code ~= 125 then
      at = skip_blanks(at)
      code = byte(text, at)
    end
    if code == 125 then
      behind = at + 1
      return object
    elseif code ~= 44 then
      unexpected("comma or object end", at)
    end
    at = skip_blanks(at + 1)
  end
end

-- A word or a number that JSON does not know.
local function rare_value(at)
  if sub(text, at, at + 3) == "true" then
    behind = at + 4
    return true
  elseif sub(text, at, at + 3) == "null" then
    behind = at + 4
    return null
  elseif sub(text, at, at + 4) == "false" then
    behind = at + 5
    return false
  elseif token_at(at) ~= "T_NUMBER" then
    unexpected("value", at)
  end
  local stop = number_end(at)
  behind = stop + 1
  return tonumber(sub(text, at, stop))
end

value_at = function(at, depth, slots)
  local code = byte(text, at)
  if code == 34 then
    local value, stop = string_at(at)
    if not value then
      unexpected("value", at)
    end
    behind = stop
    return value
  elseif code == 123 then
    return object_at(at, depth + 1, slots)
  elseif code == 91 then
    return array_at(at, depth + 1, slots)
  elseif code and (code == 45 or code >= 48 and code <= 57) then
    local value, stop = number_at(at)
    if not value then
      unexpected("value", at)
    end
    behind = stop
    return value
  end
  return rare_value(at)
end

return function(own_settings, given)
  settings, text = own_settings, check_string(1, given, 1)
  if #text >= 2 and (byte(text) == 0 or byte(text, 2) == 0) then
    fail("JSON parser does not support UTF-16 or UTF-32")
  end
  is_intricate = find(text, "\\", 1, true) or find(text, "\0", 1, true)
  local value = value_at(skip_blanks(1), 0, 1)
  local at = skip_blanks(behind)
  if at <= #text and byte(text, at) ~= 0 then
    unexpected("the end", at)
  end
  text = nil
  return value
end
