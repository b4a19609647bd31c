/*
 * A mail message, of which received_client finds the client that gave it to us.
 */
#include "aggregate/received.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static struct received_trusted trusted;
	const char *message = (const char *)bytes, *attached;
	char said[400];
	struct subject client;
	struct text error;
	size_t attached_length = 0;

	if (trusted.names == 0)
		fuzz_check(received_trust(&trusted, "mx.example.org") &&
			       received_trust(&trusted, "192.0.2.0/24") &&
			       received_trust(&trusted, "2001:db8::/32"),
		    "nobody to trust");
	text_init(&error, said, sizeof said);
	if (received_client(message, length, &trusted, &client, &error)) {
		fuzz_check(
		    client.family == SUBJECT_IPV4 || client.family == SUBJECT_IPV6, "no address");
		for (size_t i = 0; i < trusted.prefixes; i++)
			fuzz_check(!prefix_covers(&trusted.prefix[i], &client), "a host of ours");
	} else {
		fuzz_check(error.length > 0, "no client, and nothing is said");
		for (size_t i = 0; i < error.length; i++)
			fuzz_check(said[i] >= ' ' && said[i] < 127, "a byte that is not printable");
	}
	attached = received_attached(message, length, &attached_length);
	if (attached != NULL)
		fuzz_check(attached >= message && attached_length <= length &&
			       attached + attached_length <= message + length,
		    "a part outside of the whole");
	return 0;
}
