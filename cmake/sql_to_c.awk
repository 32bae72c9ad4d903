# cmake/sql_to_c.awk -- SQL files as C string literals, line by line.
#   mode=header  name=sql_x : one static string
#   mode=migrations         : the list of a daemon's migrations, named by folder and file

function begin_migration(path, parts, n, short) {
	n = split(path, parts, "/")
	short = parts[n - 1] "/" parts[n]
	sub(/\.sql$/, "", short)
	if (open)
		print "\t},"
	print "\t{ \"" short "\","
	open = 1
}
BEGIN {
	if (mode == "header") {
		print "/* made from a .sql file by cmake/sql_to_c.awk */"
		print "static const char " name "[] ="
	} else {
		print "/* made from schema/ by cmake/sql_to_c.awk */"
		print "#include \"db/migrate.h\"\n"
		print "extern const struct migration daemon_migrations[];"
		print "const struct migration daemon_migrations[] = {"
	}
}
mode == "migrations" && FNR == 1 { begin_migration(FILENAME) }
{
	line = $0
	gsub(/\\/, "&&", line)
	gsub(/"/, "\\\"", line)
	gsub(/\t/, "\\t", line)
	print "\t\"" line "\\n\""
}
END {
	if (mode == "header") {
		print "\t;"
	} else {
		if (open)
			print "\t},"
		print "\t{ 0 }"
		print "};"
	}
}
