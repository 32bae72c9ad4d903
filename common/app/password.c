/* common/app/password.c -- hashes and checks passwords off the loop. */
#include "app/password.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "base/coro.h"

/* OWASP's minimum for argon2id. */
#define MEMORY_BYTES (19456UL * 1024)
#define PASSES 2

/* The most used passwords of at least the minimal length; shorter ones are refused anyway. */
static const char *const common_passwords[] = {
	"password",    "password1",  "password12",  "password123", "password1234", "password!",
	"passw0rd",    "p@ssw0rd",   "p@ssword",    "12345678",    "123456789",    "1234567890",
	"12345678910", "123123123",  "1234567891",  "987654321",   "0987654321",   "11111111",
	"111111111",   "1111111111", "00000000",    "0000000000",  "88888888",     "99999999",
	"12341234",    "11223344",   "1q2w3e4r",    "1q2w3e4r5t",  "1qaz2wsx",     "qwertyuiop",
	"qwerty123",   "qwerty1234", "qwerty12345", "qwertyui",    "asdfghjkl",    "asdfasdf",
	"zxcvbnm123",  "q1w2e3r4",   "abcd1234",    "abc12345",    "abcdefgh",     "iloveyou",
	"iloveyou1",   "sunshine",   "princess",    "football",    "baseball",     "superman",
	"trustno1",    "welcome1",   "welcome123",  "letmein1",    "changeme",     "administrator",
	"admin123",    "admin1234",  "computer",    "whatever",    "starwars",     "michelle",
	"jennifer",    "hello123",   "testtest",
};

/* Of no password: verifying it takes as long as verifying a real one. */
static const char nobodys_hash[] = "$argon2id$v=19$m=19456,t=2,p=1$cymZtIiAvDEO/g4pEfPaaQ"
				   "$6NRflIWHxTN9zgUsSPH93PtAi5l5l/IX0WgbM3mfLu4";

struct work {
	const char *password;
	const char *hash; /* to verify; NULL: make one */
	char made[crypto_pwhash_STRBYTES];
	bool ok;
};

const char *
password_problem(const char *password)
{
	size_t length = strlen(password);

	if (length < PASSWORD_LENGTH_MIN)
		return "must have at least 8 characters";
	if (length > PASSWORD_LENGTH_MAX)
		return "must have at most 200 characters";
	for (size_t i = 0; i < sizeof(common_passwords) / sizeof(common_passwords[0]); i++)
		if (strcasecmp(password, common_passwords[i]) == 0)
			return "is one of the most common passwords";
	return NULL;
}

static void
run_work(void *arg)
{
	struct work *work = arg;
	size_t length = strlen(work->password);

	if (work->hash)
		work->ok = crypto_pwhash_str_verify(work->hash, work->password, length) == 0;
	else
		work->ok = crypto_pwhash_str(work->made, work->password, length, PASSES,
					     MEMORY_BYTES) == 0;
}

static void
on_thread(struct request *rq, struct work *work)
{
	if (!coro_on_thread(run_work, work))
		fail(rq, ERR_UNAVAILABLE, .detail = "Too many passwords are being checked.",
		     .retry_after = 1);
}

const char *
password_hash(struct request *rq, const char *password)
{
	struct work work = { .password = password };

	on_thread(rq, &work);
	if (!work.ok)
		fail(rq, ERR_INTERNAL, .detail = "The password could not be hashed.");
	return arena_strdup(&rq->arena, work.made);
}

bool
password_verify(struct request *rq, const char *hash, const char *password)
{
	struct work work = { .password = password, .hash = hash ? hash : nobodys_hash };

	on_thread(rq, &work);
	return hash && work.ok;
}
