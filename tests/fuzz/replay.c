/*
 * replay - run a fuzz target over files, and the files of directories, named on the command line
 *
 * The files are cut at every length up to 64 and at every eighth after that, too: much of what a
 * fuzzer finds is a cut away.
 */
#include <dirent.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1u << 20)

static unsigned inputs;

/* A copy that ends where the bytes end, so that the sanitizer sees a read beyond it. */
static void
run(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length == 0 ? 1 : length);

	if (copy == NULL)
		abort();
	memcpy(copy, bytes, length);
	(void)LLVMFuzzerTestOneInput(copy, length);
	free(copy);
}

static void
run_file(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t length;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	length = fread(bytes, 1, sizeof bytes, file);
	(void)fclose(file);
	run(bytes, length);
	inputs++;
	for (size_t cut = 0; cut < length; cut += cut < 64 ? 1 : 8)
		run(bytes, cut);
}

static void
run_directory(const char *path)
{
	struct dirent **entry;
	int count = scandir(path, &entry, NULL, alphasort);

	if (count < 0) {
		run_file(path);
		return;
	}
	for (int i = 0; i < count; i++) {
		char name[4096];

		(void)snprintf(name, sizeof name, "%s/%s", path, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.')
			run_file(name);
		free(entry[i]);
	}
	free(entry);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_directory(argv[i]);
	(void)printf("%u inputs\n", inputs);
	return inputs > 0 ? 0 : 1;
}
