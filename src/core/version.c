/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * version: the number of the library that is loaded, which may be newer than the header a caller saw.
 */
#include <queuepool.h>

#define STR2(x) #x
#define STR(x)  STR2(x)

const char *
qpool_version(void)
{
	return STR(QPOOL_VERSION_MAJOR) "." STR(QPOOL_VERSION_MINOR) "." STR(QPOOL_VERSION_PATCH);
}
