-- What stands for the null of JSON in tables, which cannot hold nil.
--
-- C has a null pointer for it. This is another kind of userdata, and prints in the same way.

local null = newproxy(true)
local hidden = getmetatable(null)
hidden.__tostring = function()
  return "userdata: (nil)"
end
hidden.__metatable = false
return null
