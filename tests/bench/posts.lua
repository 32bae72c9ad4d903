-- tests/bench/posts.lua -- wrk: one POST after another. Arguments: path, file with a body in each line.
local texts, number = {}, 0

function init(args)
	wrk.headers["Content-Type"] = "application/json"
	for body in io.lines(args[2]) do
		texts[#texts + 1] = wrk.format("POST", args[1], nil, body)
	end
end

function request()
	number = number % #texts + 1
	return texts[number]
end
