-- tests/bench/random_reads.lua -- wrk: one record by id after another. Arguments: path, lowest, highest id.
local path, low, high

function init(args)
	path, low, high = args[1], tonumber(args[2]), tonumber(args[3])
	math.randomseed(os.time())
end

function request()
	return wrk.format("GET", path .. "/" .. math.random(low, high))
end
