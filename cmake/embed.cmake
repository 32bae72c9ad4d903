# cmake/embed.cmake -- turns SQL files into C at build time.

find_program(AWK NAMES awk REQUIRED)
set(SQL_TO_C ${CMAKE_CURRENT_LIST_DIR}/sql_to_c.awk)

# Each <dir>/**/x.sql beside C files becomes the header "x.sql.h" with
# static const char sql_x[] = "...";
function(embed_sql_beside target dir)
	file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${dir}/*.sql)
	set(out ${CMAKE_BINARY_DIR}/sql/${target})
	file(MAKE_DIRECTORY ${out})
	set(headers)
	foreach(file ${files})
		get_filename_component(name ${file} NAME_WE)
		add_custom_command(OUTPUT ${out}/${name}.sql.h
			COMMAND ${AWK} -v name=sql_${name} -v mode=header -f ${SQL_TO_C} ${file} > ${out}/${name}.sql.h
			DEPENDS ${file} ${SQL_TO_C} VERBATIM)
		list(APPEND headers ${out}/${name}.sql.h)
	endforeach()
	if(headers)
		target_sources(${target} PRIVATE ${headers})
		target_include_directories(${target} PRIVATE ${out})
	endif()
endfunction()

# schema/<folder>/NNNN_name.sql of each folder, in order, become
# const struct migration daemon_migrations[] in <target>_migrations.c.
function(embed_migrations target)
	set(files)
	foreach(folder ${ARGN})
		file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/schema/${folder}/*.sql)
		list(SORT found)
		list(APPEND files ${found})
	endforeach()
	set(out ${CMAKE_BINARY_DIR}/${target}_migrations.c)
	add_custom_command(OUTPUT ${out}
		COMMAND ${AWK} -v mode=migrations -f ${SQL_TO_C} ${files} > ${out}
		DEPENDS ${files} ${SQL_TO_C} VERBATIM)
endfunction()
