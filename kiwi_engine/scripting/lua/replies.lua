-- Between replies of commands, in RESP, and the values of scripts.
--
-- Everything here works on whole replies in memory. What a command answers is well-formed; what a
-- script returns is anything at all. Source: the conversion tables in Redis' documentation of EVAL.

local python, inside = ...

local byte, find, format, gsub, match, sub =
  string.byte, string.find, string.format, string.gsub, string.match, string.sub
local concat, next, rawget, tonumber, tostring, type = table.concat, next, rawget, tonumber, tostring, type

-- ---- reply -> value

-- An error as commands give it, with its code in front, as text for `err`.
local function error_text(line)
  if not find(line, " ", 1, true) then
    line = "ERR " .. line
  end
  return line
end

local decode

local function decode_many(encoded, at, count)
  local values = {}
  for number = 1, count do
    values[number], at = decode(encoded, at)
  end
  return values, at
end

local function decode_map(encoded, at, count)
  local values = {}
  for _ = 1, count do
    local key, value
    key, at = decode(encoded, at)
    value, at = decode(encoded, at)
    values[key] = value
  end
  return { map = values }, at
end

local function decode_set(encoded, at, count)
  local values = {}
  for _ = 1, count do
    local member
    member, at = decode(encoded, at)
    values[member] = true
  end
  return { set = values }, at
end

-- By the first byte of an element: (encoded, rest of its first line, where the next line begins).
local DECODERS = {
  ["+"] = function(_, line, at)
    return { ok = line }, at
  end,
  ["-"] = function(_, line, at)
    return { err = error_text(line), ignore_error_stats_update = true }, at
  end,
  [":"] = function(_, line, at)
    return tonumber(line), at
  end,
  ["$"] = function(encoded, line, at)
    local size = tonumber(line)
    if size < 0 then
      return false, at
    end
    return sub(encoded, at, at + size - 1), at + size + 2
  end,
  ["*"] = function(encoded, line, at)
    local count = tonumber(line)
    if count < 0 then
      return false, at
    end
    return decode_many(encoded, at, count)
  end,
  ["%"] = function(encoded, line, at)
    return decode_map(encoded, at, tonumber(line))
  end,
  ["~"] = function(encoded, line, at)
    return decode_set(encoded, at, tonumber(line))
  end,
  ["_"] = function(_, _, at)
    return nil, at
  end,
  ["#"] = function(_, line, at)
    return line == "t", at
  end,
  [","] = function(_, line, at)
    return { double = python.to_number(line) }, at
  end,
  ["("] = function(_, line, at)
    return { big_number = line }, at
  end,
  ["="] = function(encoded, line, at)
    local size = tonumber(line)
    local text = { format = sub(encoded, at, at + 2), string = sub(encoded, at + 4, at + size - 1) }
    return { verbatim_string = text }, at + size + 2
  end,
}

-- The value of the element at `at`, and where the next one begins.
function decode(encoded, at)
  local stop = find(encoded, "\r\n", at, true)
  return DECODERS[sub(encoded, at, at)](encoded, sub(encoded, at + 1, stop - 1), stop + 2)
end

-- ---- value -> reply

-- Slots that C's stack of Lua has, and those that one step of the conversion needs free: nesting
-- is limited by what Redis has left of them.
local SLOTS = 8000
local SLOTS_FREE = 4
local SLOTS_AT_FIRST = 2

local encode

-- C's texts end at a NUL, and a line of RESP has no line ends inside.
local function one_line(text)
  return (gsub(match(text, "^%Z*"), "[\r\n]", " "))
end

local function encode_error(problem)
  local text = match(problem, "^%Z*")
  return "-" .. one_line(match(text, "^(.-)[\r\n]*$")) .. "\r\n"
end

local function bulk(text)
  return "$" .. #text .. "\r\n" .. text .. "\r\n"
end

local function encode_verbatim(text, resp3)
  local kind, content = rawget(text, "format"), rawget(text, "string")
  if type(kind) ~= "string" or type(content) ~= "string" then
    return nil
  end
  if not resp3 then
    return bulk(content)
  end
  kind = sub(match(kind, "^%Z*") .. "   ", 1, 3)
  return "=" .. (#content + 4) .. "\r\n" .. kind .. ":" .. content .. "\r\n"
end

local function encode_map(map, reply, slots)
  local parts, count = {}, 0
  for key, value in next, map do
    count = count + 1
    parts[2 * count - 1] = encode(key, reply, slots + 4)
    parts[2 * count] = encode(value, reply, slots + 3)
  end
  local head = reply.resp3 and "%" .. count or "*" .. (2 * count)
  return head .. "\r\n" .. concat(parts)
end

local function encode_set(set, reply, slots)
  local parts, count = {}, 0
  for member in next, set do
    count = count + 1
    parts[count] = encode(member, reply, slots + 3)
  end
  return (reply.resp3 and "~" or "*") .. count .. "\r\n" .. concat(parts)
end

local function encode_array(array, reply, slots)
  local parts, count = {}, 0
  while true do
    local value = rawget(array, count + 1)
    if value == nil then
      return "*" .. count .. "\r\n" .. concat(parts)
    end
    count = count + 1
    parts[count] = encode(value, reply, slots + 1)
  end
end

local function encode_table(value, reply, slots)
  local special = rawget(value, "err")
  if type(special) == "string" then
    return encode_error(special)
  end
  special = rawget(value, "ok")
  if type(special) == "string" then
    return "+" .. one_line(special) .. "\r\n"
  end
  special = rawget(value, "double")
  if type(special) == "number" then
    -- A negative zero does not reach Python as one.
    local text = special == 0 and 1 / special < 0 and "-0"
      or inside.answered(python.format_double(special))
    return reply.resp3 and "," .. text .. "\r\n" or bulk(text)
  end
  special = rawget(value, "big_number")
  if type(special) == "string" then
    local text = gsub(special, "[\r\n]", " ")
    return reply.resp3 and "(" .. text .. "\r\n" or bulk(text)
  end
  special = rawget(value, "verbatim_string")
  if type(special) == "table" then
    local encoded = encode_verbatim(special, reply.resp3)
    if encoded then
      return encoded
    end
  end
  special = rawget(value, "map")
  if type(special) == "table" then
    return encode_map(special, reply, slots)
  end
  special = rawget(value, "set")
  if type(special) == "table" then
    return encode_set(special, reply, slots)
  end
  return encode_array(value, reply, slots)
end

local function encode_boolean(value, reply)
  if reply.script_resp == 2 then
    return value and ":1\r\n" or reply.null
  elseif reply.resp3 then
    return value and "#t\r\n" or "#f\r\n"
  end
  return value and ":1\r\n" or ":0\r\n"
end

-- A value as a reply. `reply` says how: `resp3` and `null` of the client, and the `script_resp`
-- that the script chose.
function encode(value, reply, slots)
  if slots + SLOTS_FREE > SLOTS then
    return "-ERR reached lua stack limit\r\n"
  end
  local kind = type(value)
  if kind == "string" then
    return bulk(value)
  elseif kind == "number" then
    -- As C makes an integer of it.
    return format(":%d\r\n", value)
  elseif kind == "table" then
    return encode_table(value, reply, slots)
  elseif kind == "boolean" then
    return encode_boolean(value, reply)
  end
  return reply.null
end

return {
  bulk = bulk,
  decode = decode,
  encode = function(value, reply)
    return encode(value, reply, SLOTS_AT_FIRST)
  end,
  encode_error = encode_error,
  error_text = error_text,
}
