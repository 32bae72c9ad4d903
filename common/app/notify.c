/* common/app/notify.c -- one datagram to $NOTIFY_SOCKET, sent or left. */
#include "app/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

static int
open_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	int fd;

	if ((*path != '/' && *path != '@') || length >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0';   /* of the abstract namespace */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

bool
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	bool sent;
	int fd;

	if (!path || !*path)
		return true;
	fd = open_socket(path);
	if (fd < 0)
		return false;
	sent = send(fd, state, strlen(state), MSG_NOSIGNAL) >= 0;
	close(fd);
	return sent;
}

bool
notify_reloading(void)
{
	char text[80];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_us());
	return notify(text);
}
