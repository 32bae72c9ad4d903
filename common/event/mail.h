/* common/event/mail.h -- what a request hands to the sender once its transaction has committed. */
#ifndef EVENT_MAIL_H
#define EVENT_MAIL_H

struct request;

/* Inside a transaction: after COMMIT the sender looks for work at once. */
void mail_wake(struct request *rq);

#endif
