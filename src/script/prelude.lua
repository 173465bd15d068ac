-- What is said in Lua because only Lua can: calls that must see an error as the value it is.
local raw_pcall, raw_xpcall, resume, next, plain, backing, pattern_max, string = ...
local error, type = error, type
local function settle(ok, ...)
    if ok then return ok, ... end
    return false, plain((...), true)
end
local function ended(ok, ...)
    -- Nothing survives being killed.
    if not ok then plain(nil, false) end
    return ok, ...
end
local function pcall(...) return settle(raw_pcall(...)) end
local function xpcall(f, handler)
    return ended(raw_xpcall(f, function(err) return handler(plain(err, false)) end))
end
local function resumed(ok, ...)
    if ok then return ok, ... end
    return false, plain((...), false)
end
local function co_resume(...) return resumed(resume(...)) end
-- A readonly table is empty: what it holds stands behind it.
local function pairs(t)
    local held = backing[t]
    if held == nil then return next, t, nil end
    return function(_, key) return next(held, key) end, t, nil
end
-- The matcher recurses on the C stack, once for each item of the pattern.
for _, name in next, {"find", "match", "gmatch", "gfind", "gsub"} do
    local raw = string[name]
    string[name] = function(s, pattern, ...)
        if type(pattern) == "string" and #pattern > pattern_max then
            error("pattern too complex", 2)
        end
        return raw(s, pattern, ...)
    end
end
local function run(f, handler, keys, args)
    return raw_xpcall(function() return f(keys, args) end, handler)
end
return pcall, xpcall, co_resume, pairs, run
