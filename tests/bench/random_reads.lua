-- tests/bench/random_reads.lua -- wrk: one record by id after another. Arguments: path, lowest, highest id.
local requests = {}

function init(args)
	for id = tonumber(args[2]), tonumber(args[3]) do
		requests[#requests + 1] = wrk.format("GET", args[1] .. "/" .. id)
	end
	math.randomseed(os.time())
end

function request()
	return requests[math.random(#requests)]
end
