/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seeds: runs a fuzz target once for each file named on the command line, where there is no libFuzzer.  So every
 * `make test` runs the corpus, by any compiler, and a target that no longer builds or holds is seen at once.
 */
#include <inttypes.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
main(int argc, char **argv)
{
	static uint8_t bytes[4096];

	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		size_t size;
		if (file == NULL) {
			perror(argv[i]);
			return 1;
		}
		size = fread(bytes, 1, sizeof bytes, file);
		(void)fclose(file);
		(void)LLVMFuzzerTestOneInput(bytes, size);
	}
	printf("%d seeds\n", argc - 1);
	return argc > 1 ? 0 : 1;
}
