/* common/base/faultpoint.h -- places where a test may let the process die; nothing in a release.
 *
 * A point stands before and after every commit and every call of another system, so that tests
 * need not guess moments: they count the points of a scenario, then let it die at each in turn.
 * Built in with -DDOVETAIL_FAULTS=ON (the dev preset); otherwise the calls vanish.
 *
 *	FAULT_POINT=17                      dies (SIGKILL) at the 17th point it comes to
 *	FAULT_POINT=db.commit.before:2      at the second of that name
 *	FAULT_COUNT=file                    appends each point's name to the file, a line each
 *
 * In such a build an allocation of ours can fail as well (not those inside the libraries):
 *
 *	FAULT_MALLOC=17                     the 17th finds no memory
 *	FAULT_MALLOC_COUNT=file             writes there, when the process ends, how many there were
 */
#ifndef BASE_FAULTPOINT_H
#define BASE_FAULTPOINT_H

#ifdef DOVETAIL_FAULTS
void fault_point(const char *name);
#else
#define fault_point(name) ((void)0)
#endif

#endif
