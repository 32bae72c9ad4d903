-- tests/bench/same_post.lua -- wrk: the same POST again and again. Arguments: path, file of the body.
local text

function init(args)
	local file = io.open(args[2])
	wrk.headers["Content-Type"] = "application/json"
	text = wrk.format("POST", args[1], nil, file:read("*a"))
	file:close()
end

function request()
	return text
end
