/* What a policy makes of what lists once said. */
#include <stdio.h>

#include "aggregate/compile.h"
#include "aggregate/hearing.h"
#include "tests/unit/excepting.h"
#include "tests/unit/zone.h"

struct scene {
	struct evidence_book *book;
	struct policy *policy;
	const struct policy_zone *zone;
};

static void
open_scene(struct scene *scene)
{
	struct policy_zone *zone;

	scene->book = evidence_book_open();
	scene->policy = policy_open();
	zone = make_zone(scene->policy, "bl.example");
	make_site(scene->policy, zone, "a.example=127.0.0.[2..4]*3");
	make_site(scene->policy, zone, "b.example*1");
	make_site(scene->policy, zone, "w.example*-2");
	zone->threshold = 3;
	make_grade(zone, 3, 0x7f000002u);
	assert_true(compile_policy(scene->policy, scene->book));
	scene->zone = zone;
}

static void
close_scene(struct scene *scene)
{
	policy_close(scene->policy);
	evidence_book_close(scene->book);
}

static void
expect(const struct scene *scene, const char *said, enum verdict_state state, unsigned hits)
{
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	struct subject subject = make_subject("192.0.2.1");
	struct verdict verdict;
	unsigned found = 0;

	hearing_evidence(scene->policy, scene->book, said, evidence);
	hearing_verdict(scene->zone, &subject, scene->book, evidence, &verdict);
	for (unsigned i = 0; i < 3; i++)
		found |= (unsigned)hearing_hit(scene->zone, i, scene->book, evidence) << i;
	if (verdict.state != state || found != hits)
		fail_msg("%s: %d, hits %u", said, verdict.state, found);
}

static void
testimony_becomes_a_verdict_again(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene);
	expect(&scene, "a.example=127.0.0.2 b.example=clear w.example=clear", VERDICT_LISTED, 1);
	expect(&scene, "a.example=127.0.0.9 b.example=clear w.example=clear", VERDICT_CLEAR, 0);
	expect(&scene, "a.example=127.0.0.2 w.example=127.0.0.5", VERDICT_CLEAR, 5);
	expect(&scene, "a.example=127.255.255.254 b.example=127.0.0.2", VERDICT_CLEAR, 2);
	expect(&scene, "gone.example=127.0.0.2 a.example=127.0.0.4", VERDICT_LISTED, 1);
	expect(&scene, "", VERDICT_CLEAR, 0);
	close_scene(&scene);
}

static void
add(const struct scene *scene, struct hearing *hearing, const char *subject, bool spam,
    const char *said)
{
	struct evidence evidence[EVIDENCE_LISTS_MAX];
	struct subject made = make_subject(subject);

	hearing_evidence(scene->policy, scene->book, said, evidence);
	assert_true(hearing_add(hearing, &made, spam, evidence));
}

static void
a_list_is_heard_on_a_subject_when_it_says_something_else(void **state)
{
	struct scene scene;
	struct hearing *hearing;
	const struct worth *worth;
	uint32_t overlap;
	char subject[32];

	(void)state;
	open_scene(&scene);
	hearing = hearing_open(scene.zone, scene.book);
	for (unsigned i = 0; i < 50; i++)
		add(&scene, hearing, "192.0.2.1", true, "a.example=127.0.0.2 b.example=clear");
	worth = hearing_worth(hearing, 0, &overlap);
	assert_int_equal(worth->spam_hits, 1);
	assert_int_equal(worth->unique, 1);
	assert_int_equal(worth->pivotal, 1);
	assert_int_equal(overlap, 0);
	assert_int_equal(hearing_worth(hearing, 1, &overlap)->spam_clear, 1);
	add(&scene, hearing, "192.0.2.1", true, "a.example=127.0.0.3 b.example=127.0.0.2");
	assert_int_equal(hearing_worth(hearing, 0, &overlap)->spam_hits, 1);
	worth = hearing_worth(hearing, 1, &overlap);
	assert_int_equal(worth->spam_hits, 1);
	assert_int_equal(overlap, 1);
	assert_int_equal(worth->pivotal, 0);
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(subject, sizeof subject, "192.0.%u.%u", 3 + i / 200, i % 200);
		add(&scene, hearing, subject, false, "w.example=127.0.0.2 a.example=unknown");
	}
	assert_int_equal(hearing_worth(hearing, 2, &overlap)->ham_hits, 300);
	assert_int_equal(hearing_worth(hearing, 0, &overlap)->ham_clear, 0);
	hearing_close(hearing);
	hearing_close(NULL);
	close_scene(&scene);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(testimony_becomes_a_verdict_again),
	    cmocka_unit_test(a_list_is_heard_on_a_subject_when_it_says_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
