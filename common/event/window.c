/* common/event/window.c -- reckons from each answer whether calls wait for each other. */
#include "event/window.h"

#define SHRINK 32.0     /* by this part for each answer that waited too long */
#define FORGET 2048     /* and by this part the quickest answer loses weight */

int
window_size(const struct window *window, int most)
{
	int size = window->size > 0 ? (int)window->size : WINDOW_FIRST;

	return size < most ? size : most;
}

static void
note_quickest(struct window *window, uint64_t took_us)
{
	bool first = window->quickest_us == 0;

	window->quickest_us += window->quickest_us / FORGET + 1;
	if (first || took_us < window->quickest_us)
		window->quickest_us = took_us;
}

void
window_note(struct window *window, int out, int most, uint64_t took_us)
{
	double took = took_us ? (double)took_us : 1;
	double waiting;

	if (window->size <= 0)
		window->size = WINDOW_FIRST;
	note_quickest(window, took_us);
	waiting = out * (1 - (double)window->quickest_us / took);
	if (waiting > WINDOW_WAITING + took / WINDOW_WAITING_US) {
		window->size -= window->size / SHRINK;
		window->found = true;
	} else if (out >= window_size(window, most)) {
		/* Twice as many when all have answered; later on one more. */
		window->size += window->found ? 1 / window->size : 1;
	}
	if (window->size < WINDOW_LEAST)
		window->size = WINDOW_LEAST;
	if (window->size > most)
		window->size = most;
}
