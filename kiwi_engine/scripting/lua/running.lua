-- Functions that run others, and the end of a script that takes too long.

local python, inside = ...

local error, loadstring, pcall, select, setfenv, tostring, type =
  error, loadstring, pcall, select, setfenv, tostring, type
local getinfo, sethook = debug.getinfo, debug.sethook
local byte, concat, dump = string.byte, table.concat, string.dump
local create_coroutine, resume_coroutine = coroutine.create, coroutine.resume
local bad_argument, base, environment, is_ours =
  inside.bad_argument, inside.base, inside.environment, inside.is_ours

-- As the interpreter itself says it. Python answers true where it finds no room for its answer.
local NOT_ENOUGH_MEMORY = "not enough memory"
local KILLED = "ERR Script killed by user with SCRIPT KILL..."
-- A bytecode begins with this; only what we compiled ourselves is ever loaded.
local ESCAPE = 27

-- ---- the end of a script that takes too long

-- The error that a killed script dies of, whatever it does to survive; nil while it may live.
local killed

local function die()
  error({ err = killed }, 0)
end

-- Called at each instruction of a killed script, lest it catches the error and goes on. What is
-- ours goes on: it handles the error.
local function kill()
  if not is_ours(getinfo(2, "S")) then
    die()
  end
end

local function watch()
  if killed == nil then
    killed = python.interrupt()
    if killed == true then
      killed = KILLED
    end
  end
  if killed ~= nil then
    sethook(kill, "", 1)
    if not is_ours(getinfo(2, "S")) then
      die()
    end
  end
end

-- Each coroutine has a hook of its own, which does not end those that wait for it.
local function die_here_too()
  sethook(kill, "", 1)
  die()
end

local function give_new_life()
  killed = nil
  sethook(watch, "", python.hook_instructions)
end
give_new_life()

-- ---- functions that run others

local function outcome(ok, ...)
  if killed ~= nil then
    die_here_too()
  end
  if ok then
    return true, ...
  end
  local problem = ...
  if type(problem) == "table" then
    -- Scripts that were written for older versions expect text.
    local text = problem.err
    if type(text) == "string" or type(text) == "number" then
      return false, text
    end
  end
  return false, problem
end

function base.pcall(...)
  if select("#", ...) == 0 then
    -- What Redis' own pcall finds on its stack then.
    return outcome(pcall(true))
  end
  return outcome(pcall(...))
end

-- A coroutine has a hook of its own.
local function new_coroutine(body)
  local thread = create_coroutine(body)
  sethook(thread, watch, "", python.hook_instructions)
  return thread
end

local function resumed(...)
  if killed ~= nil then
    die_here_too()
  end
  return ...
end

local coroutines = {
  running = coroutine.running,
  status = coroutine.status,
  yield = coroutine.yield,
}

function coroutines.create(body)
  if type(body) ~= "function" then
    error("bad argument #1 to 'create' (Lua function expected)", 2)
  end
  return new_coroutine(body)
end

function coroutines.resume(thread, ...)
  if type(thread) ~= "thread" then
    error("bad argument #1 to 'resume' (coroutine expected)", 2)
  end
  return resumed(resume_coroutine(thread, ...))
end

local function unwrapped(ok, ...)
  if killed ~= nil then
    die_here_too()
  end
  if ok then
    return ...
  end
  error((...), type((...)) == "string" and 3 or 0)
end

function coroutines.wrap(body)
  if type(body) ~= "function" then
    error("bad argument #1 to 'wrap' (Lua function expected)", 2)
  end
  local thread = new_coroutine(body)
  return function(...)
    return unwrapped(resume_coroutine(thread, ...))
  end
end

-- What Python answered, if there was room for it.
local function answered(value)
  if value == true then
    error(NOT_ENOUGH_MEMORY, 0)
  end
  return value
end

-- ---- compiling

-- A function, or nil and the problem. Its tail calls are ordinary ones (see `tail_calls`).
local function compile(text, name)
  if byte(text, 1) == ESCAPE then
    return nil, "attempt to load bytecode"
  end
  local compiled, problem = loadstring(text, name)
  if not compiled then
    return nil, problem
  end
  local plain = python.without_tail_calls(dump(compiled))
  if plain == true then
    return nil, NOT_ENOUGH_MEMORY
  end
  return setfenv(loadstring(plain, name), environment)
end

function base.loadstring(...)
  local text, name = ...
  if type(text) == "number" then
    text = tostring(text)
  elseif type(text) ~= "string" then
    bad_argument(1, "string", ...)
  end
  return compile(text, name and tostring(name) or text)
end

function base.load(...)
  local reader, name = ...
  if type(reader) ~= "function" then
    bad_argument(1, "function", ...)
  end
  local parts = {}
  while true do
    local part = reader()
    if part == nil or part == "" then
      break
    elseif type(part) ~= "string" and type(part) ~= "number" then
      return nil, "reader function must return a string"
    end
    parts[#parts + 1] = part
  end
  return compile(concat(parts), name and tostring(name) or "=(load)")
end

inside.answered = answered
inside.compile = compile
inside.coroutines = coroutines

function inside.give_new_life()
  if killed ~= nil then
    give_new_life()
  end
end
